//! Tangelo's side of HTTP: a gateway, with a service in it or behind it.

use std::{future, io, net::SocketAddr};

use tangelo::{
    Bootstrap,
    gateway::route::{Routes, Url},
    rpc::config::WebServerConfig,
};
use tangelo_bench::service::{BenchServiceClient, BenchServiceServer};

use crate::krpc::Echo;

/// Serves `POST /echo`.
pub(crate) async fn serve(back: Option<SocketAddr>) -> io::Result<()> {
    let web = WebServerConfig::new("web")
        .host("127.0.0.1")
        .port(0_u16)
        .routes_file("")
        .proto_dir("");
    let url = Url::new("/echo").service(900).message(1);
    let app = Bootstrap::new("bench-gateway")
        .web_server(web)
        .routes("web", Routes::new().url(url))
        // The others write none.
        .monitor(|monitor| monitor.access_log(false));
    let app = match back {
        None => app.service(BenchServiceServer::new(Echo)),
        Some(back) => app.referer::<BenchServiceClient>("bench", &back.to_string()),
    };
    let app = app.start().await.map_err(io::Error::other)?;
    let web = app.web_server("web");
    let web = web.ok_or_else(|| io::Error::other("it does not listen"))?;
    crate::announce(web.address())?;
    future::pending().await
}
