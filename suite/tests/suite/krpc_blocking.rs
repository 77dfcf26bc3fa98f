//! Methods that block.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use tangelo::{
    Bootstrap, RpcApp,
    rpc::{
        Code, Status,
        config::{ServerConfig, ServiceConfig},
    },
};

use crate::{
    rpc::{
        AddReq, AddRes, Calculator, CalculatorClient, CalculatorServer, HangReq, HangRes, PanicReq,
        PanicRes, RefuseReq, RefuseRes,
    },
    world::soon,
};

/// `hang` blocks its thread until the test lets it go.
struct Blocks {
    begun: Sender<()>,
    go_on: Arc<Mutex<Receiver<()>>>,
}

impl Calculator for Blocks {
    async fn add(&self, AddReq { a, b }: AddReq) -> Result<AddRes, Status> {
        Ok(AddRes {
            sum: a + b,
            ..AddRes::default()
        })
    }

    async fn hang(&self, _: HangReq) -> Result<HangRes, Status> {
        let _ = self.begun.send(());
        let _ = self.go_on.lock().unwrap().recv();
        Ok(HangRes::default())
    }

    async fn panic(&self, _: PanicReq) -> Result<PanicRes, Status> {
        panic!("on a thread of its own")
    }

    async fn refuse(&self, RefuseReq { code }: RefuseReq) -> Result<RefuseRes, Status> {
        Ok(RefuseRes { ret_code: code })
    }
}

/// A server of one thread for methods, and a caller.
async fn world() -> (RpcApp, RpcApp, CalculatorClient, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = channel();
    let (let_go, go_on) = channel();
    let go_on = Arc::new(Mutex::new(go_on));
    let service = ServiceConfig::new(CalculatorServer::new(Blocks { begun, go_on }));
    let server = Bootstrap::new("server")
        .server(ServerConfig::default().host("127.0.0.1").port(0_u16))
        .service(service.blocking(true).threads(1).queue_size(1_u32))
        .start()
        .await
        .unwrap();
    let at = server.server("default").unwrap().address().to_string();
    let caller = Bootstrap::new("caller")
        .referer::<CalculatorClient>("calculator", &at)
        .start()
        .await
        .unwrap();
    let client = caller.referer("calculator").unwrap();
    (server, caller, client, has_begun, let_go)
}

async fn stop(apps: [RpcApp; 2]) {
    for app in apps {
        assert_eq!(soon("the end", app.stop(Duration::from_secs(5))).await, 0);
    }
}

/// In a runtime of one thread, which the method would stop if it ran there.
#[tokio::test]
async fn a_method_that_blocks_stops_nobody_else() {
    let (server, caller, client, begun, let_go) = world().await;
    let hanging = client.hang(HangReq::default()).start();
    let begun = tokio::task::spawn_blocking(move || begun.recv());
    soon("the method begins", begun).await.unwrap().unwrap();
    // Its place is taken, so the next one waits, and the one after that is refused.
    let waiting = client.add(AddReq { a: 1, b: 2 });
    let refused = async {
        let refused = client.add(AddReq { a: 1, b: 2 }).await;
        let_go.send(()).unwrap();
        refused
    };
    let all = async { tokio::join!(waiting, refused, hanging) };
    let (waited, refused, hung) = soon("the answers", all).await;
    assert_eq!(waited.unwrap().sum, 3);
    assert_eq!(refused.unwrap_err().code(), Code::QUEUE_FULL);
    hung.unwrap();
    let panicked = client.panic(PanicReq::default()).await.unwrap_err();
    assert_eq!(panicked.code(), Code::BUSINESS_ERROR);
    stop([caller, server]).await;
}
