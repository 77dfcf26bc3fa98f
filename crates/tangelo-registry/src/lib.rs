//! Where servers live.
//!
//! A [`Registry`] says which servers there are, and takes note of those that come and go. Two exist
//! so far: [`Memory`] within one process, and [`Fixed`] for a list that never changes, such as
//! servers.json.

mod fixed;
mod instance;
mod memory;

use std::{fmt::Debug, sync::Arc};

use tokio::sync::watch;

pub use fixed::Fixed;
pub use instance::{Instance, Offer};
pub use memory::Memory;

/// The servers known now, in the registry's order.
pub type Instances = Arc<[Arc<Instance>]>;

/// Says where servers live.
pub trait Registry: Debug + Send + Sync + 'static {
    /// The servers known now, and every later change of that list.
    fn watch(&self) -> watch::Receiver<Instances>;

    /// Announces a server that is ready; one of the same id is replaced.
    fn register(&self, instance: Instance);

    /// Takes a server back.
    fn deregister(&self, id: &str);
}
