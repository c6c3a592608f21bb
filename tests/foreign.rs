//! Recommenders made elsewhere: published vectors reproduce published numbers and pages, and
//! whatever a stranger does wrong is an error that names user, page and cause.

#[path = "foreign/document.rs"]
mod document;
#[path = "foreign/files.rs"]
mod files;
#[path = "foreign/http.rs"]
mod http;
#[path = "foreign/process.rs"]
mod process;
#[path = "foreign/published.rs"]
mod published;
#[path = "foreign/scenario.rs"]
mod scenario;
#[path = "foreign/toy.rs"]
mod toy;
