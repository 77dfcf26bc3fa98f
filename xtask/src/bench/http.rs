//! One request over HTTP, whose answer is looked at: wrk looks at none.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Result;

const PATIENCE: Duration = Duration::from_secs(5);

/// Asks what wrk will ask, and fails unless it is echoed.
pub(crate) fn check(address: &str) -> Result<()> {
    let asked = serde_json::json!({ "name": "bench", "payload": "x".repeat(64), "number": 1 });
    let body = asked.to_string();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST /echo HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let said: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    for field in ["name", "payload", "number"] {
        if said[field] != asked[field] {
            return Err(format!("{asked} was answered by {answer}").into());
        }
    }
    Ok(())
}
