//! What `SECURITY.md` promises, held to: nothing that came from data, models, plug-ins or servers becomes markup or
//! moves a terminal, and keys stay where they were put.

#[path = "support/mind.rs"]
mod mind;
#[path = "support/server.rs"]
mod server;

#[path = "security/escaping.rs"]
mod escaping;
#[path = "security/keys.rs"]
mod keys;
#[path = "security/markup.rs"]
mod markup;
#[path = "security/place.rs"]
mod place;
#[path = "security/programs.rs"]
mod programs;
