//! Service level objectives, such as `p99<10ms,errors<0.1%`: parsed, and checked against a trial.
//!
//! Invariant: an objective on a figure that is not known does not hold, whatever its operator.

use std::fmt;

use serde::Serialize;

use crate::base::units;
use crate::bench::summary::BenchSummary;
use crate::stats::percentiles::{PERCENTILES, Percentiles, Statistic};

/// The examples that every refusal ends with.
const HINT: &str = "hint: p99<10ms, errors<0.1%, rate>1000";

/// A number of a trial that objectives name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// A time in microseconds.
    Time(Timed, Statistic),
    /// Requests completed a second: `rate`.
    Rate,
    /// Requests that failed or were answered with 400 or above, as a share from 0 to 1: `errors`.
    Errors,
    /// Requests that failed: `failed`.
    Failed,
    /// Requests that completed: `completed`.
    Completed,
}

/// Which time a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// From the intended start to the last byte; what a name without prefix means.
    Response,
    /// From the hand-over to the last byte: `service.`.
    Service,
    /// From the intended start to the hand-over: `send_lag.`.
    SendLag,
    /// Opening connections: `connect.`.
    Connect,
    /// From the hand-over to the first byte: `first_byte.`.
    FirstByte,
}

/// How a figure is compared with its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// One term: a figure, an operator and a bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    text: String,
    figure: Figure,
    operator: Operator,
    bound: f64,
}

/// Terms that must all hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Objectives(Vec<Objective>);

/// Whether one term held, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// The term as it was typed.
    pub term: String,
    /// The figure that was found, in microseconds, a second, as a share of 1 or as a count; null
    /// where it is not known.
    pub found: Option<f64>,
    /// Whether the term holds.
    pub holds: bool,
    /// What was found, in words: `p99 was 12.345 ms`.
    pub why: String,
}

impl Objectives {
    /// Reads terms `NAME OP VALUE` that are separated by commas.
    ///
    /// NAME is a percentile (`p50`, `p75`, `p90`, `p99`, `p99.9`, `p99.99`, `p99.999`), `mean`,
    /// `min` or `max` of the response time, or of another with the prefix `service.`, `send_lag.`,
    /// `connect.` or `first_byte.`; or `rate`, `errors`, `failed` or `completed`. OP is `<`, `<=`,
    /// `>` or `>=`. VALUE is a time with its unit (ns, us, ms, s, m, h), a number that may end in
    /// k, M or G, or for `errors` a share (`0.1%` or `0.001`).
    ///
    /// # Errors
    ///
    /// Where a term is none of this; the message says which, and what would be taken.
    ///
    /// ```
    /// use ringfetch::bench::slo::Objectives;
    ///
    /// assert!(Objectives::parse("p99<10ms, errors <= 0.1%").is_ok());
    /// assert!(Objectives::parse("p99<10").unwrap_err().contains("hint: p99<10ms"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, String> {
        let terms = text.split(',').map(|term| Objective::parse(term.trim()));
        terms.collect::<Result<_, _>>().map(Self)
    }

    /// How many requests a trial must complete for every term to be known.
    #[must_use]
    pub fn samples_min(&self) -> u64 {
        let samples = self.0.iter().map(|objective| match objective.figure {
            Figure::Time(_, statistic) => statistic.samples_min(),
            Figure::Rate | Figure::Errors | Figure::Failed | Figure::Completed => 1,
        });
        samples.max().unwrap_or(1)
    }

    /// The first term that is no bound from above on a time, on errors or on failures: a higher
    /// load does not make it harder to hold, so no highest load can be searched for with it.
    #[must_use]
    pub fn unsearchable(&self) -> Option<&str> {
        let is_searchable = |objective: &&Objective| {
            let grows = matches!(objective.figure, Figure::Rate | Figure::Completed);
            objective.is_from_above() && !grows
        };
        let found = self.0.iter().find(|objective| !is_searchable(objective));
        found.map(|objective| objective.text.as_str())
    }

    /// What becomes of each term in the trial that `summary` is of, in the same order.
    #[must_use]
    pub fn check(&self, summary: &BenchSummary) -> Vec<Checked> {
        self.0.iter().map(|objective| objective.check(summary)).collect()
    }
}

impl fmt::Display for Objectives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, objective) in self.0.iter().enumerate() {
            let comma = if idx > 0 { "," } else { "" };
            write!(f, "{comma}{}", objective.text)?;
        }
        Ok(())
    }
}

impl Objective {
    fn parse(term: &str) -> Result<Self, String> {
        let refused = |why: &str| format!("no objective: {term}: {why}, {HINT}");
        let at = term.find(['<', '>']).ok_or_else(|| refused("neither < nor >"))?;
        let (name, rest) = term.split_at(at);
        let name = name.trim();
        // Longest first: else `<=` would be read as `<` and a value that begins with `=`.
        let operators = [
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let found = operators
            .into_iter()
            .find_map(|(sign, operator)| Some((operator, rest.strip_prefix(sign)?)));
        let (operator, value) = found.expect("the rest begins with < or >");
        let figure = Figure::parse(name).ok_or_else(|| {
            refused(&format!("{name} is no figure; they are {}", Figure::names()))
        })?;
        let bound = figure.parse_value(value.trim()).map_err(|why| refused(&why))?;
        Ok(Self { text: term.to_owned(), figure, operator, bound })
    }

    /// Whether a higher load makes it harder to hold: a bound from above.
    const fn is_from_above(&self) -> bool {
        matches!(self.operator, Operator::Less | Operator::LessOrEqual)
    }

    fn check(&self, summary: &BenchSummary) -> Checked {
        let found = self.figure.of(summary);
        // A time that is known to be longer than `found` cannot be called short enough.
        let is_bounded = !self.figure.is_at_least(summary);
        let holds = found.is_some_and(|found| match self.operator {
            Operator::Less => is_bounded && found < self.bound,
            Operator::LessOrEqual => is_bounded && found <= self.bound,
            Operator::Greater => found > self.bound,
            Operator::GreaterOrEqual => found >= self.bound,
        });
        let why = match found {
            Some(found) => format!("{} was {}", self.figure, self.figure.value_text(found)),
            None => self.figure.unknown_text(summary),
        };
        Checked { term: self.text.clone(), found, holds, why }
    }
}

impl Figure {
    /// The figure that goes by `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "rate" => return Some(Self::Rate),
            "errors" => return Some(Self::Errors),
            "failed" => return Some(Self::Failed),
            "completed" => return Some(Self::Completed),
            _ => {}
        }
        if let Some(statistic) = Statistic::parse(name) {
            return Some(Self::Time(Timed::Response, statistic));
        }
        let (prefix, statistic) = name.split_once('.')?;
        let timed = Timed::ALL.into_iter().find(|timed| timed.word() == prefix)?;
        Some(Self::Time(timed, Statistic::parse(statistic)?))
    }

    /// The figure in the trial that `summary` is of, in microseconds, a second, as a share of 1 or
    /// as a count; none where it is not known.
    #[must_use]
    pub fn of(self, summary: &BenchSummary) -> Option<f64> {
        match self {
            Self::Time(timed, statistic) => timed.percentiles(summary).statistic(statistic),
            Self::Rate => summary.rate_per_s,
            Self::Errors => summary.errors.share,
            Self::Failed => Some(summary.ledger.failed.total() as f64),
            Self::Completed => Some(summary.ledger.completed as f64),
        }
    }

    fn names() -> String {
        let percentiles = PERCENTILES.map(|(name, _)| name).join(" ");
        let prefixes = Timed::ALL.map(Timed::word).join(". ");
        format!(
            "{percentiles} mean min max (also with {prefixes}. in front), rate errors failed \
             completed"
        )
    }

    /// Reads a bound in the unit of this figure.
    fn parse_value(self, text: &str) -> Result<f64, String> {
        // Objectives alone allow a space between a number and its unit.
        let (number, unit) = units::split_unit(text);
        let compact = format!("{number}{}", unit.trim_start());
        match self {
            Self::Time(..) => {
                let time = units::parse_duration(&compact);
                let time = time.ok_or_else(|| format!("no time: {text}"))?;
                Ok(time.as_nanos() as f64 / 1e3)
            }
            Self::Errors => Self::parse_share(text),
            Self::Rate | Self::Failed | Self::Completed => {
                units::parse_number(&compact).ok_or_else(|| format!("no number: {text}"))
            }
        }
    }

    /// Reads a share of 1, which may be in percent.
    fn parse_share(text: &str) -> Result<f64, String> {
        let refused = || format!("no share: {text}");
        let (number, unit) = units::split_unit(text);
        let number: f64 =
            number.parse().ok().filter(|n: &f64| n.is_finite()).ok_or_else(refused)?;
        match unit.trim_start() {
            "%" => Ok(number / 100.0),
            // `errors<1` may mean one per cent or one error; it cannot mean all of them.
            "" if number >= 1.0 => Err(format!("a share is below 1, or has a %: {text}")),
            "" => Ok(number),
            _ => Err(refused()),
        }
    }

    fn value_text(self, value: f64) -> String {
        match self {
            Self::Time(..) if value < 1e3 => format!("{value:.3} us"),
            Self::Time(..) if value < 1e6 => format!("{:.3} ms", value / 1e3),
            Self::Time(..) => format!("{:.3} s", value / 1e6),
            Self::Rate => format!("{value:.2} a second"),
            Self::Errors => format!("{:.4} %", value * 100.0),
            Self::Failed | Self::Completed => format!("{value:.0}"),
        }
    }

    /// Whether the true figure is larger than the one that is known.
    fn is_at_least(self, summary: &BenchSummary) -> bool {
        match self {
            Self::Time(timed, statistic) => timed.percentiles(summary).is_at_least(statistic),
            _ => false,
        }
    }

    fn unknown_text(self, summary: &BenchSummary) -> String {
        match self {
            Self::Time(timed, statistic) => {
                let (n, samples_min) = (timed.percentiles(summary).n, statistic.samples_min());
                format!("{self} is not known: samples {n}, needed {samples_min}")
            }
            _ => format!("{self} is not known: nothing was measured"),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(timed, statistic) => {
                if *timed != Timed::Response {
                    write!(f, "{}.", timed.word())?;
                }
                f.write_str(statistic.word())
            }
            Self::Rate => f.write_str("rate"),
            Self::Errors => f.write_str("errors"),
            Self::Failed => f.write_str("failed"),
            Self::Completed => f.write_str("completed"),
        }
    }
}

impl Timed {
    /// Every kind of time that has figures.
    pub const ALL: [Self; 5] =
        [Self::Response, Self::Service, Self::SendLag, Self::Connect, Self::FirstByte];

    /// The word that reports use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Service => "service",
            Self::SendLag => "send_lag",
            Self::Connect => "connect",
            Self::FirstByte => "first_byte",
        }
    }

    /// The times of this kind in the trial that `summary` is of.
    #[must_use]
    pub const fn percentiles(self, summary: &BenchSummary) -> &Percentiles {
        let times = &summary.latency_us;
        match self {
            Self::Response => &times.response,
            Self::Service => &times.service,
            Self::SendLag => &times.send_lag,
            Self::Connect => &times.connect,
            Self::FirstByte => &times.first_byte,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::summary::sample::{closed, open};

    fn bound(text: &str) -> (Figure, Operator, f64) {
        let objectives = Objectives::parse(text).unwrap();
        let [objective] = &objectives.0[..] else { panic!("{text} is one term") };
        (objective.figure, objective.operator, objective.bound)
    }

    /// Checks what becomes of `term` in a closed loop with 40 requests of 1 ms a second.
    fn check(term: &str, holds: bool, why: &str) {
        let summary = BenchSummary::new(closed());
        let checked = Objectives::parse(term).unwrap().check(&summary);
        assert_eq!(checked.len(), 1);
        assert_eq!(checked[0].term, term);
        assert_eq!(checked[0].holds, holds, "{:?}", checked[0]);
        assert_eq!(checked[0].why, why);
    }

    #[test]
    fn terms_are_a_name_a_sign_and_a_value_with_a_unit() {
        let response = |statistic| Figure::Time(Timed::Response, statistic);
        use Operator::{Greater, GreaterOrEqual, Less, LessOrEqual};
        for (text, expected) in [
            ("p99<10ms", (response(Statistic::Percentile(3)), Less, 1e4)),
            (" p99.999 <= 1.5 s ", (response(Statistic::Percentile(6)), LessOrEqual, 1.5e6)),
            ("max<2m", (response(Statistic::Max), Less, 1.2e8)),
            ("response.p50>=10us", (response(Statistic::Percentile(0)), GreaterOrEqual, 10.0)),
            ("service.mean<500ns", (Figure::Time(Timed::Service, Statistic::Mean), Less, 0.5)),
            (
                "send_lag.p99.9<1h",
                (Figure::Time(Timed::SendLag, Statistic::Percentile(4)), Less, 3.6e9),
            ),
            ("first_byte.min>0", (Figure::Time(Timed::FirstByte, Statistic::Min), Greater, 0.0)),
            ("connect.max<=1ms", (Figure::Time(Timed::Connect, Statistic::Max), LessOrEqual, 1e3)),
            ("rate>1.5k", (Figure::Rate, Greater, 1500.0)),
            ("errors<0.1%", (Figure::Errors, Less, 0.001)),
            ("errors<=0.001", (Figure::Errors, LessOrEqual, 0.001)),
            ("errors<100%", (Figure::Errors, Less, 1.0)),
            ("failed<=0", (Figure::Failed, LessOrEqual, 0.0)),
            ("completed>=2M", (Figure::Completed, GreaterOrEqual, 2e6)),
        ] {
            assert_eq!(bound(text), expected, "{text}");
        }
        let two = Objectives::parse("p99<5ms, errors<0.1%").unwrap();
        assert_eq!((two.0.len(), two.to_string().as_str()), (2, "p99<5ms,errors<0.1%"));
    }

    #[test]
    fn what_is_refused_says_what_would_be_taken() {
        for (text, why) in [
            ("", "neither < nor >"),
            ("p99=10ms", "neither < nor >"),
            ("p99<10ms,", "neither < nor >"),
            ("p98<10ms", "p98 is no figure; they are p50 p75"),
            ("dns.p50<1ms", "dns.p50 is no figure"),
            ("p99<10", "no time: 10"),
            ("p99<ms", "no time: ms"),
            ("p99<-1ms", "no time: -1ms"),
            ("p99==1ms", "neither < nor >"),
            ("p99<<1ms", "no time: <1ms"),
            ("p99<1.2.3ms", "no time: 1.2.3ms"),
            ("p99<10%", "no time: 10%"),
            ("errors<1ms", "no share: 1ms"),
            ("errors<1", "a share is below 1, or has a %: 1"),
            ("rate>1000/s", "no number: 1000/s"),
            ("rate>inf", "no number: inf"),
        ] {
            let error = Objectives::parse(text).unwrap_err();
            assert!(error.contains(why), "{why} in {error}");
            assert!(error.ends_with(", hint: p99<10ms, errors<0.1%, rate>1000"), "{error}");
        }
    }

    #[test]
    fn terms_hold_or_do_not() {
        check("rate>39.9", true, "rate was 40.00 a second");
        check("rate>40", false, "rate was 40.00 a second");
        check("rate>=40", true, "rate was 40.00 a second");
        check("errors<4%", false, "errors was 4.8780 %");
        check("failed<=2", true, "failed was 2");
        check("failed<2", false, "failed was 2");
        check("completed>=80", true, "completed was 80");
        check("p50<1.1ms", true, "p50 was 1.000 ms");
        check("max<1.1ms", false, "max was 5.000 ms");
        check("service.max<1.1ms", true, "service.max was 1.000 ms");
    }

    #[test]
    fn what_is_not_known_does_not_hold_either_way() {
        let why = "p99 is not known: samples 82, needed 1000";
        check("p99<1h", false, why);
        check("p99>0", false, why);
        let why = "send_lag.mean is not known: samples 0, needed 1";
        check("send_lag.mean<1s", false, why);
    }

    #[test]
    fn a_response_holds_what_the_service_time_does_not_see() {
        let summary = BenchSummary::new(open());
        let figure = |name| Figure::parse(name).and_then(|figure| figure.of(&summary));
        assert_eq!((figure("max"), figure("service.max")), (Some(5000.0), Some(1000.0)));
        assert_eq!((figure("p99"), figure("nonsense")), (None, None));
    }

    #[test]
    fn every_figure_is_found_by_the_name_it_gives_itself() {
        let times = Statistic::ALL
            .iter()
            .flat_map(|statistic| Timed::ALL.map(|t| Figure::Time(t, *statistic)));
        let rest = [Figure::Rate, Figure::Errors, Figure::Failed, Figure::Completed];
        for figure in times.chain(rest) {
            assert_eq!(Figure::parse(&figure.to_string()), Some(figure));
        }
    }
}
