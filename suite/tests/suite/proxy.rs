//! Something between clients and a server that cuts their connections, or lets them hang.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    task::JoinSet,
};

/// Something between clients and a server. It ends with this.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

/// What becomes of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// After so many bytes to the server it ends.
    pub(crate) up: usize,
    /// After so many bytes to the client it ends.
    pub(crate) down: usize,
    /// To the server it looks as if it had not.
    pub(crate) hangs: bool,
}

impl Proxy {
    /// Between this server and its clients; `plan` says what becomes of each connection.
    pub(crate) async fn new(
        target: SocketAddr,
        mut plan: impl FnMut() -> Plan + Send + 'static,
    ) -> Self {
        Self::serve(move |client| {
            let plan = plan();
            async move {
                if let Ok(server) = TcpStream::connect(target).await {
                    carry(client, server, plan).await;
                }
            }
        })
        .await
    }

    /// Between this server and its clients; what the server says is held back while the gate is `false`.
    pub(crate) async fn gated(target: SocketAddr, gate: watch::Receiver<bool>) -> Self {
        Self::serve(move |client| {
            let mut gate = gate.clone();
            async move {
                let Ok(server) = TcpStream::connect(target).await else {
                    return;
                };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let up = tokio::io::copy(&mut from_client, &mut to_server);
                let down = async {
                    let mut buffer = [0; 4 << 10];
                    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                        if gate.wait_for(|open| *open).await.is_err()
                            || to_client.write_all(&buffer[..read]).await.is_err()
                        {
                            break;
                        }
                    }
                };
                tokio::select! {
                    _ = up => {}
                    () = down => {}
                }
            }
        })
        .await
    }

    async fn serve<F>(mut carry: impl FnMut(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client));
            }
        });
        let _tasks = tasks;
        Self { address, _tasks }
    }
}

async fn carry(client: TcpStream, server: TcpStream, plan: Plan) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = copy(from_client, to_server, plan.up);
    let down = copy(from_server, to_client, plan.down);
    // What is given back here is not closed before the end of this function.
    let server_side = tokio::select! {
        (_client, server) = up => Some(server),
        _ = down => None,
    };
    if plan.hangs && server_side.is_some() {
        std::future::pending::<()>().await;
    }
}

/// Carries bytes until one side ends, or as many have been carried as may be.
async fn copy(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut most: usize,
) -> (tcp::OwnedReadHalf, tcp::OwnedWriteHalf) {
    let mut buffer = [0; 4 << 10];
    while most > 0 {
        let Ok(read @ 1..) = from.read(&mut buffer).await else {
            break;
        };
        let part = read.min(most);
        most -= part;
        if to.write_all(&buffer[..part]).await.is_err() {
            break;
        }
    }
    (from, to)
}
