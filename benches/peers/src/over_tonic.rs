//! tonic: a unary call through its generated client and server, with its default windows.

use std::error::Error;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use crate::load::Caller;
use generated::bench_service_client::BenchServiceClient;
use generated::bench_service_server::{BenchService, BenchServiceServer};
use generated::{EchoReq, EchoRes};

mod generated {
    tonic::include_proto!("bench");
}

struct Echo;

#[tonic::async_trait]
impl BenchService for Echo {
    async fn echo(&self, request: Request<EchoReq>) -> Result<Response<EchoRes>, Status> {
        let EchoReq {
            name,
            payload,
            number,
        } = request.into_inner();
        Ok(Response::new(EchoRes {
            name,
            payload,
            number,
            ..EchoRes::default()
        }))
    }
}

pub(crate) async fn serve(listener: TcpListener) -> Result<(), Box<dyn Error>> {
    let clients = TcpIncoming::from(listener).with_nodelay(Some(true));
    Server::builder()
        .add_service(BenchServiceServer::new(Echo))
        .serve_with_incoming(clients)
        .await?;
    Ok(())
}

/// One channel, which is one connection, for all callers that share it.
pub(crate) async fn connect(
    address: SocketAddr,
) -> Result<BenchServiceClient<Channel>, Box<dyn Error>> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?
        .tcp_nodelay(true)
        .connect()
        .await?;
    Ok(BenchServiceClient::new(channel))
}

impl Caller for BenchServiceClient<Channel> {
    async fn call(&mut self, payload: &str) -> Result<String, String> {
        let request = EchoReq {
            payload: payload.to_owned(),
            ..EchoReq::default()
        };
        match self.echo(request).await {
            Ok(answer) => Ok(answer.into_inner().payload),
            Err(status) => Err(status.to_string()),
        }
    }
}
