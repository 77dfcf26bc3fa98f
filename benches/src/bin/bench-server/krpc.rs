//! Tangelo's side of services: one that echoes, for krpc clients.

use std::{future, io};

use tangelo::{
    Bootstrap,
    rpc::{Status, config::ServerConfig},
};
use tangelo_bench::service::{BenchService, BenchServiceServer, EchoReq, EchoRes};

/// Answers what it was told.
pub(crate) struct Echo;

impl BenchService for Echo {
    async fn echo(&self, request: EchoReq) -> Result<EchoRes, Status> {
        Ok(EchoRes {
            name: request.name,
            payload: request.payload,
            number: request.number,
            ..EchoRes::default()
        })
    }
}

/// Serves it to krpc clients.
pub(crate) async fn serve() -> io::Result<()> {
    let app = Bootstrap::new("bench-server")
        .server(ServerConfig::new("default").host("127.0.0.1").port(0_u16))
        .service(BenchServiceServer::new(Echo))
        // The others write none.
        .monitor(|monitor| monitor.access_log(false))
        .start()
        .await
        .map_err(io::Error::other)?;
    let server = app.server("default");
    let server = server.ok_or_else(|| io::Error::other("it does not listen"))?;
    crate::announce(server.address())?;
    future::pending().await
}
