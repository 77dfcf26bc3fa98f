//! Web servers, where the feature `gateway` is off: there are none.

use std::{sync::Arc, time::Duration};

use tangelo_rpc::server::ErrorTexts;
use tangelo_runtime::Tasks;

use super::{Bootstrap, settings::Origins, start::Answering};
use crate::Mistakes;

pub(super) struct Proto;
#[derive(Default)]
pub(super) struct Planned;
pub(super) struct Bound;
pub(crate) struct WebServers;

impl Bootstrap {
    pub(super) fn load_proto_dirs(&self, _: &Origins) -> Proto {
        Proto
    }

    pub(super) fn plan_web(
        &self,
        _: &Proto,
        _: Option<&Arc<dyn ErrorTexts>>,
        _: &Origins,
        _: &mut Mistakes,
    ) -> Planned {
        Planned
    }
}

impl Planned {
    pub(super) async fn bind(self, _: &mut Mistakes) -> Bound {
        Bound
    }
}

impl Bound {
    pub(super) fn call(
        self,
        _: impl Fn(&str) -> Result<Answering, String>,
        _: &mut Mistakes,
    ) -> Self {
        self
    }

    pub(super) fn start(self, _: &Tasks) -> WebServers {
        WebServers
    }
}

impl WebServers {
    pub(crate) async fn close(&self, _: Duration) -> usize {
        0
    }

    pub(crate) fn stop(&self) {}
}
