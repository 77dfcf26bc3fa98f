//! The gate: hands out a connector.

use serde::Deserialize;
use serde_json::{Value, json};
use tangelo::{prelude::*, server::Handlers};

use crate::entry::text;

pub(crate) fn handlers() -> Handlers {
    Handlers::new().add("queryEntry", query_entry)
}

#[derive(Deserialize)]
struct Query {
    #[serde(default, deserialize_with = "text")]
    uid: String,
}

/// The same user always gets the same connector, as long as the same ones are up.
async fn query_entry(Json(query): Json<Query>, servers: Servers) -> Json<Value> {
    let up: Vec<_> = servers
        .of_type("connector")
        .filter(|server| server.is_up())
        .collect();
    let index = (tangelo::server::crc32(&query.uid) as usize).checked_rem(up.len());
    let connector = index
        .and_then(|index| up.get(index))
        .filter(|_| !query.uid.is_empty());
    Json(match connector.map(|connector| connector.instance()) {
        Some(connector) => {
            json!({ "code": 200, "host": connector.host, "port": connector.client_port })
        }
        None => json!({ "code": 500 }),
    })
}
