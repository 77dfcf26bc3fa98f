//! Generated services between servers.

use std::time::Duration;

use serde_json::json;
use tangelo::{
    Result,
    rpc::{Code, Status},
    server::{Blueprint, Handlers, Json, Rpc, Server, Session},
};

use crate::{
    client::{DOORS, Door},
    world::{World, chat, client, connector, pair, soon},
};

tangelo::include_proto!("suite");

pub(crate) struct Abacus;

impl Calculator for Abacus {
    async fn add(&self, AddReq { a, b }: AddReq) -> Result<AddRes, Status> {
        let sum = a
            .checked_add(b)
            .ok_or_else(|| Status::new(Code::DECODE_REQ_ERROR, "too large"))?;
        Ok(AddRes {
            sum,
            ..AddRes::default()
        })
    }

    async fn hang(&self, _: HangReq) -> Result<HangRes, Status> {
        std::future::pending().await
    }

    async fn panic(&self, _: PanicReq) -> Result<PanicRes, Status> {
        panic!("on purpose, in a service")
    }

    async fn refuse(&self, request: RefuseReq) -> Result<RefuseRes, Status> {
        Ok(RefuseRes {
            ret_code: request.code,
        })
    }
}

/// A front end, and a back end with the service.
pub(crate) async fn servers(handlers: Handlers) -> (Server, Server) {
    let back = chat(Handlers::new()).service(|_| CalculatorServer::new(Abacus));
    pair(connector(handlers), back).await
}

/// A handler `sum` that asks the servers of this type.
fn summing(server_type: &'static str) -> Handlers {
    let sum = move |Json((a, b)): Json<(i32, i32)>, session: Session, rpc: Rpc| async move {
        let calculator: CalculatorClient = rpc.by_route(server_type, &session)?;
        Ok::<_, tangelo::Error>(Json(json!(calculator.add(AddReq { a, b }).await?.sum)))
    };
    Handlers::new().add("sum", sum)
}

/// The service on the back end this front end knows.
fn calculator(front: &Server) -> CalculatorClient {
    let remote = front.context().servers().of_type("chat").next().unwrap();
    remote.service(0).into()
}

async fn adds(calculator: &CalculatorClient) {
    let answer = calculator.add(AddReq { a: 2, b: 3 }).await.unwrap();
    assert_eq!(
        answer,
        AddRes {
            ret_code: 0,
            sum: 5
        }
    );
}

#[tokio::test]
async fn a_call_is_answered() {
    let (front, _back) = servers(Handlers::new()).await;
    adds(&calculator(&front)).await;
    // A message whose every field has its default takes no bytes at all.
    let answer = calculator(&front).add(AddReq::default()).await.unwrap();
    assert_eq!(answer, AddRes::default());
}

#[tokio::test]
async fn calls_at_once_get_their_own_answers() {
    let (front, _back) = servers(Handlers::new()).await;
    let calculator = calculator(&front);
    let calls = (0..1000).map(|a| calculator.add(AddReq { a, b: 1 }));
    for (a, answer) in futures_util::future::join_all(calls)
        .await
        .into_iter()
        .enumerate()
    {
        assert_eq!(answer.unwrap().sum as usize, a + 1);
    }
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_a_timeout_and_the_next_one_works() {
    let (front, _back) = servers(Handlers::new()).await;
    let calculator = calculator(&front);
    let impatient = calculator.clone().with_timeout(Duration::from_millis(50));
    for _ in 0..3 {
        let status = impatient.hang(HangReq {}).await.unwrap_err();
        assert_eq!(status.code(), Code::RPC_TIMEOUT);
        adds(&calculator).await;
    }
}

#[tokio::test]
async fn a_panic_is_a_business_error_and_the_next_one_works() {
    let (front, _back) = servers(Handlers::new()).await;
    let calculator = calculator(&front);
    let status = calculator.panic(PanicReq {}).await.unwrap_err();
    assert_eq!(status.code(), Code::BUSINESS_ERROR);
    assert!(!status.message().contains("purpose"));
    adds(&calculator).await;
}

#[tokio::test]
async fn a_status_is_the_callers_and_a_code_in_the_reply_is_a_reply() {
    let (front, _back) = servers(Handlers::new()).await;
    let calculator = calculator(&front);
    let too_large = AddReq { a: i32::MAX, b: 1 };
    let status = calculator.add(too_large).await.unwrap_err();
    assert_eq!(status.code(), Code::DECODE_REQ_ERROR);
    for code in [-100_001, 7] {
        let answer = calculator.refuse(RefuseReq { code }).await.unwrap();
        assert_eq!(answer.ret_code, code);
    }
}

#[tokio::test]
async fn a_service_nobody_offers_is_not_found() {
    let (front, _back) = pair(connector(Handlers::new()), chat(Handlers::new())).await;
    let status = calculator(&front).add(AddReq::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::NOT_FOUND);
}

#[tokio::test]
async fn a_handler_calls_the_server_that_belongs_to_the_session() {
    let (front, back) = servers(summing("chat")).await;
    let mut client = client(&front, Door::Tcp).await;
    assert_eq!(client.ask("connector.main.sum", &json!([2, 3])).await, 5);
    client
        .is_refused("connector.main.sum", &json!([i32::MAX, 1]), 500)
        .await;
    back.leave(Duration::ZERO).await;
    let answer = client.ask("connector.main.sum", &json!([2, 3])).await;
    assert_eq!(answer["code"], 500, "{answer}");
}

#[tokio::test]
async fn a_back_end_calls_another_back_end() {
    let world = World::new();
    let abacus = Blueprint::new("area").service(|_| CalculatorServer::new(Abacus));
    let area = world.back("area-1", abacus).await;
    let back = world.back("chat-1", chat(summing("area"))).await;
    let front = world.front("connector-1", connector(Handlers::new())).await;
    for server in [&area, &back, &front] {
        soon("the servers meet", server.connected()).await;
    }
    for over in DOORS {
        let mut client = client(&front, over).await;
        assert_eq!(client.ask("chat.main.sum", &json!([2, 3])).await, 5);
        let too_large = json!([i32::MAX, 1]);
        client.is_refused("chat.main.sum", &too_large, 500).await;
    }
}
