//! Owned tasks, the word that says when to stop, and a guard around other people's panics.
//!
//! Every task in Tangelo is spawned through [`Tasks`], so that each has an owner who can ask it to
//! finish, wait for it up to a deadline, and end it after that. [`Stop`] is how a task is asked.
//! [`listen`] and [`accept`] let connections in.
//! [`LogLines`] keeps peers from filling the log. [`guard`] is what stands around every call into a user's code.

pub mod guard;
mod listening;
mod log_lines;
mod stop;
mod tasks;

pub use listening::{accept, listen};
pub use log_lines::LogLines;
pub use stop::Stop;
pub use tasks::Tasks;
