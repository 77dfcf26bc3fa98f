//! What was made of awkward definitions answers calls as anything else does.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{collections::HashMap, time::Duration};

use definitions::{awkward, comments, names, shop, unpackaged};
use tangelo::{
    Bootstrap, RpcApp,
    rpc::{Caller, Code, Definition, Message, Request, Service, Status, config::ServerConfig},
};

struct Everything;

impl comments::Comments for Everything {
    async fn echo(&self, request: comments::Req) -> Result<comments::Res, Status> {
        let choice = match request.choice {
            Some(comments::req::Choice::First(text)) => text,
            other => format!("{other:?}"),
        };
        let counted = request.counts.get("a").copied().unwrap_or_default();
        Ok(comments::Res {
            ret_code: -110_001,
            ret_msg: format!("{choice} {counted} {}", request.kind),
            user_name: request.user_name,
        })
    }

    async fn silent(&self, _: comments::Req) -> Result<comments::Res, Status> {
        Err(Code::FLOW_LIMIT.into())
    }
}

/// Each answers with its number as the code.
impl names::Names for Everything {
    async fn r#type(&self, _: names::Self_) -> Result<names::Result, Status> {
        Ok(numbered(1))
    }
    async fn self_(&self, option: names::Option) -> Result<names::Result, Status> {
        Ok(names::Result {
            ret_msg: option.text,
            ..numbered(2)
        })
    }
    async fn r#async(&self, _: names::Vec) -> Result<names::Result, Status> {
        Ok(numbered(3))
    }
    async fn crate_(&self, _: names::String) -> Result<names::Result, Status> {
        Ok(numbered(4))
    }
    async fn r#loop(&self, _: names::Box) -> Result<names::Result, Status> {
        Ok(numbered(5))
    }
    async fn clone(&self, _: names::Arc) -> Result<names::Result, Status> {
        Ok(numbered(6))
    }
    async fn new(&self, _: names::Future) -> Result<names::Result, Status> {
        Ok(numbered(7))
    }
    async fn call(&self, _: names::Send) -> Result<names::Result, Status> {
        Ok(numbered(8))
    }
    async fn from(&self, _: names::T) -> Result<names::Result, Status> {
        Ok(numbered(9))
    }
    async fn fmt(&self, _: names::Some) -> Result<names::Result, Status> {
        Ok(numbered(10))
    }
    async fn r#gen(&self, _: names::From) -> Result<names::Result, Status> {
        Ok(numbered(11))
    }
    async fn drop(&self, _: names::Clone) -> Result<names::Result, Status> {
        Ok(numbered(12))
    }
    async fn url_of2_things(&self, _: names::Debug) -> Result<names::Result, Status> {
        Ok(numbered(i32::MAX))
    }
}

fn numbered(msg_id: i32) -> names::Result {
    names::Result {
        ret_code: -msg_id,
        ..names::Result::default()
    }
}

impl awkward::Awkward for Everything {
    async fn nested(&self, (): ()) -> Result<awkward::outer::Inner, Status> {
        Ok(awkward::outer::Inner {
            ret_code: Some(-112_001),
            ..awkward::outer::Inner::default()
        })
    }

    async fn silent(&self, _: awkward::Old) -> Result<awkward::Silent, Status> {
        Err(Status::new(Code(-112_002), "words that have no field"))
    }
}

impl awkward::Empty for Everything {}

impl awkward::LowerCase for Everything {
    async fn upper_case(&self, _: awkward::Old) -> Result<awkward::Silent, Status> {
        Ok(awkward::Silent {
            before: 1,
            ret_code: -114_001,
            after: 0.5,
        })
    }
}

impl unpackaged::Unpackaged for Everything {
    async fn ping(&self, _: unpackaged::Req) -> Result<unpackaged::Res, Status> {
        Ok(unpackaged::Res { ret_code: -115_001 })
    }
}

impl shop::orders::v1::Orders for Everything {
    async fn order(&self, item: shop::items::Item) -> Result<shop::items::Answer, Status> {
        Ok(shop::items::Answer {
            items: vec![item],
            ..shop::items::Answer::default()
        })
    }
}

impl shop::orders::v1::MoreOrders for Everything {
    async fn order(&self, _: shop::items::Item) -> Result<shop::items::Answer, Status> {
        Ok(shop::items::Answer::default())
    }
}

/// All services behind one port, and a client of each.
async fn world() -> (RpcApp, RpcApp) {
    let server = Bootstrap::new("server")
        .server(ServerConfig::default().host("127.0.0.1").port(0_u16))
        .service(comments::CommentsServer::new(Everything))
        .service(names::NamesServer::new(Everything))
        .service(awkward::AwkwardServer::new(Everything))
        .service(awkward::EmptyServer::new(Everything))
        .service(awkward::LowerCaseServer::new(Everything))
        .service(unpackaged::UnpackagedServer::new(Everything))
        .service(shop::orders::v1::OrdersServer::new(Everything))
        .service(shop::orders::v1::MoreOrdersServer::new(Everything))
        .start()
        .await
        .unwrap();
    let to = &server.servers()[0].address().to_string();
    let client = Bootstrap::new("client")
        .referer::<comments::CommentsClient>("comments", to)
        .referer::<names::NamesClient>("names", to)
        .referer::<awkward::AwkwardClient>("awkward", to)
        .referer::<awkward::EmptyClient>("empty", to)
        .referer::<awkward::LowerCaseClient>("lowerCase", to)
        .referer::<unpackaged::UnpackagedClient>("unpackaged", to)
        .referer::<shop::orders::v1::OrdersClient>("orders", to)
        .referer::<shop::orders::v1::MoreOrdersClient>("moreOrders", to)
        .start()
        .await
        .unwrap();
    (server, client)
}

fn client<C: Definition + From<Caller>>((_, app): &(RpcApp, RpcApp), id: &str) -> C {
    app.referer(id).unwrap()
}

#[tokio::test]
async fn fields_of_every_kind_arrive() {
    let world = world().await;
    let comments: comments::CommentsClient = client(&world, "comments");
    let request = comments::Req {
        user_name: "a".to_owned(),
        choice: Some(comments::req::Choice::First("first".to_owned())),
        kind: comments::req::Kind::Known.into(),
        counts: HashMap::from([("a".to_owned(), 7)]),
        ..comments::Req::default()
    };
    let response = comments.echo(request).await.unwrap();
    assert_eq!(
        (response.ret_code, &*response.ret_msg, &*response.user_name),
        (-110_001, "first 7 1", "a")
    );
    let refused = comments.silent(comments::Req::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::BUSINESS_ERROR);
}

#[tokio::test]
async fn methods_may_be_called_by_rusts_own_words() {
    let world = world().await;
    let names: names::NamesClient = client(&world, "names");
    let option = names::Option {
        text: "some".to_owned(),
    };
    let codes = [
        names.r#type(names::Self_ {}).await,
        names.self_(option).await,
        names.r#async(names::Vec::default()).await,
        names.crate_(names::String::default()).await,
        names.r#loop(names::Box::default()).await,
        names.clone(names::Arc {}).await,
        names.new(names::Future {}).await,
        names.call(names::Send {}).await,
        names.from(names::T {}).await,
        names.fmt(names::Some {}).await,
        names.r#gen(names::From {}).await,
        names.drop(names::Clone {}).await,
        names.url_of2_things(names::Debug {}).await,
    ]
    .map(|answer| answer.unwrap().ret_code);
    let expected: Vec<i32> = (1..=12).chain([i32::MAX]).map(|msg_id| -msg_id).collect();
    assert_eq!(codes, *expected);
    assert_eq!(names::NamesClient::SELF_MSG_ID, 2);
    assert_eq!(names::NamesClient::URL_OF2_THINGS_MSG_ID, i32::MAX);
    // The client itself is cloned as ever.
    let clone = Clone::clone(&names).with_timeout(Duration::from_secs(5));
    assert_eq!(clone.call(names::Send {}).await.unwrap().ret_code, -8);
}

#[tokio::test]
async fn an_answer_may_be_nested_optional_or_without_words() {
    let world = world().await;
    let awkward: awkward::AwkwardClient = client(&world, "awkward");
    let inner = awkward.nested(()).await.unwrap();
    assert_eq!(
        (inner.ret_code, inner.ret_msg.as_deref()),
        (Some(-112_001), None)
    );
    let mut inner = inner;
    assert_eq!(Message::ret_code(&inner), -112_001);
    inner.set_outcome(-1, "words");
    assert_eq!(
        (inner.ret_code, inner.ret_msg.as_deref()),
        (Some(-1), Some("words"))
    );
    assert_eq!(inner.checked().unwrap_err().message(), "words");

    let silent = awkward.silent(awkward::Old::default()).await.unwrap();
    assert_eq!(silent.ret_code, -112_002);
    let lower: awkward::LowerCaseClient = client(&world, "lowerCase");
    let answer = lower.upper_case(awkward::Old::default()).await.unwrap();
    assert_eq!(
        (answer.before, answer.ret_code, answer.after),
        (1, -114_001, 0.5)
    );
}

#[tokio::test]
async fn packages_may_be_none_nested_and_of_several_files() {
    let world = world().await;
    let unpackaged: unpackaged::UnpackagedClient = client(&world, "unpackaged");
    let pong = unpackaged.ping(unpackaged::Req {}).await.unwrap();
    assert_eq!(pong.ret_code, -115_001);
    let orders: shop::orders::v1::OrdersClient = client(&world, "orders");
    let item = shop::items::Item {
        name: "tea".to_owned(),
    };
    let answer = orders.order(item.clone()).await.unwrap();
    assert_eq!(answer.items, std::slice::from_ref(&item));
    let more: shop::orders::v1::MoreOrdersClient = client(&world, "moreOrders");
    assert!(more.order(item).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_service_without_methods_answers_that_it_has_none() {
    assert!(awkward::EmptyClient::METHODS.is_empty());
    let server = awkward::EmptyServer::new(Everything);
    let request = Request::new((113, 1), Vec::new());
    assert_eq!(
        server.call(request).await.unwrap_err().code(),
        Code::NOT_FOUND
    );
}
