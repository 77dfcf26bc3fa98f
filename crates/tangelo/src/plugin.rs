//! What others bring to an application.

use tangelo_registry::Instance;
use tangelo_server::Blueprint;

use crate::App;

/// What somebody else brings to an application: components, filters, listeners to events, handlers,
/// states. Pomelo's `app.use`.
///
/// ```
/// # use std::sync::Arc;
/// use tangelo::{App, Plugin, Result, registry::Instance, server::{Blueprint, Component, Context}};
///
/// struct Heart;
///
/// impl Component for Heart {
///     async fn start(&self, context: &Arc<Context>) -> Result<()> {
///         tracing::info!(server = context.server_id(), "it beats");
///         Ok(())
///     }
/// }
///
/// struct Beats;
///
/// impl Plugin for Beats {
///     fn server(&self, instance: &Instance, blueprint: Blueprint) -> Blueprint {
///         match instance.frontend {
///             true => blueprint,
///             false => blueprint.load("heart", Heart),
///         }
///     }
/// }
///
/// let app = App::new().plugin(Beats);
/// ```
pub trait Plugin: 'static {
    /// What it brings to the application as a whole. Called once, by [`App::plugin`].
    fn application(&self, app: App) -> App {
        app
    }

    /// What it brings to a server of this process, which its type, or whatever else is known of it,
    /// decides. Called before the application's own [`App::server`] for it, and after plugins that came
    /// before.
    fn server(&self, instance: &Instance, blueprint: Blueprint) -> Blueprint {
        let _ = instance;
        blueprint
    }
}
