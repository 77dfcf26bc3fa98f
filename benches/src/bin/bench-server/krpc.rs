//! Tangelo's side of services: one that echoes, for krpc clients.

use std::{future, io};

use tangelo::{
    Bootstrap,
    rpc::{Status, config::ServerConfig},
};
use tangelo_bench::service::{
    BenchService, BenchServiceServer, EchoReq, EchoRes, WorkReq, WorkRes, WorkService,
    WorkServiceServer,
};

use crate::work::work;

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

impl WorkService for Echo {
    async fn work(&self, request: WorkReq) -> Result<WorkRes, Status> {
        work().await;
        Ok(WorkRes {
            payload: request.payload,
            ..WorkRes::default()
        })
    }
}

/// Serves it to krpc clients; so many calls run at once, so many wait for their turn.
pub(crate) async fn serve(at_once: i32, waiting: u32) -> io::Result<()> {
    let server = ServerConfig::new("default")
        .host("127.0.0.1")
        .port(0_u16)
        .threads(at_once)
        .queue_size(waiting);
    let app = Bootstrap::new("bench-server")
        .server(server)
        .service(BenchServiceServer::new(Echo))
        .service(WorkServiceServer::new(Echo))
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
