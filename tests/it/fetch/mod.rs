//! `fetch`: lists of URLs into rows.

mod library;
mod limits;
mod lines;
mod moves;
mod nginx;
mod pages;
mod redirects;
