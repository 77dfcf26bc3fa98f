//! `tangelo call`: one call to a service elsewhere, with JSON.

use std::{error::Error, io, time::Duration};

use serde_json::Value;
use tangelo::{
    Bootstrap, CallError, Mistakes,
    rpc::config::{ClientConfig, RefererConfig},
};

use crate::{
    Printed,
    definitions::{Definitions, Sources},
};

/// Calls a method of a service, and prints its answer as JSON.
///
/// Exits with 0; with 1 if there is no answer, and says why; with 2 if the application refused: the answer has a negative
/// `retCode`, and is printed all the same.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where it is served, `host:port`.
    #[arg(value_parser = address)]
    address: String,
    /// What to call: `Service.method`, with its package if it must be, or by their numbers, `100.1`.
    method: String,
    /// The request as JSON; `-` reads it from stdin.
    #[arg(default_value = "{}")]
    request: String,
    #[command(flatten)]
    sources: Sources,
    /// Prints the answer on one line.
    #[arg(long)]
    compact: bool,
    /// Milliseconds to wait for the answer, connecting included.
    #[arg(long, value_name = "MS", default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// Text to send beside the request.
    #[arg(long, value_name = "TEXT")]
    attachment: Option<String>,
    /// Label for routing rules: krpc's `dyeing`.
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// How to compress the request.
    #[arg(long, value_name = "HOW", default_value = "none", value_parser = ["none", "zlib", "snappy"])]
    zip: String,
    /// Speaks as krpc did before 0.2.
    #[arg(long)]
    v1: bool,
    /// TLS: file of the certificates (PEM) of the authorities that the server is trusted by.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<String>,
    /// TLS: file of the certificate (PEM) by which the server knows us.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// TLS: file of the key (PEM) to it.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// TLS: name in the server's certificate. Default: the host of the address.
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
}

/// One address; what host and port may be is seen when it is connected to.
pub(crate) fn address(text: &str) -> Result<String, &'static str> {
    let is_one = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(',') && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if is_one {
        Ok(text.to_owned())
    } else {
        Err("expected host:port")
    }
}

pub(crate) fn run(args: &Args) -> Result<Printed, Box<dyn Error>> {
    let definitions = Definitions::load(&args.sources)?;
    let (service, method) = definitions.method(&args.method)?;
    let (service_id, method, name) = (
        service.id,
        method.name.clone(),
        format!("{}.{}", service.name, method.name),
    );
    let request = match args.request.as_str() {
        "-" => io::read_to_string(io::stdin()).map_err(|error| format!("stdin: {error}"))?,
        request => request.to_owned(),
    };

    let app = Bootstrap::new("tangelo-call")
        // Whatever lies where it is run is not for it.
        .application(|application| application.error_msg_converter(""))
        .monitor(|monitor| monitor.access_log(false))
        .pool(definitions.pool)
        .client(client(args))
        .referer_with(referer(args, service_id))
        .start_blocking()
        .map_err(|mistakes| in_arguments(&mistakes))?;
    let mut callee = app.dynamic(CALLEE)?;
    if let Some(attachment) = &args.attachment {
        callee = callee.with_attachment(attachment);
    }
    if let Some(label) = &args.label {
        callee = callee.with_label(label);
    }
    let answer = app.runtime().block_on(callee.call(&method, &request));
    app.stop(LEAVING);
    let answer = answer.map_err(|error| {
        let words = match &error {
            // Why there is no connection is its cause.
            CallError::Call(status) => status.reason().to_string(),
            other => other.to_string(),
        };
        // There is one address, and it is said once.
        let address = format!("{}: ", args.address);
        format!("{address}{name}: {}", words.replace(&address, ""))
    })?;
    print(&answer, args.compact)
}

/// What the settings that arguments become are called here.
const ARGUMENTS: [(&str, &str); 5] = [
    ("client.default.tls_ca", "--tls-ca"),
    ("client.default.tls_cert", "--tls-cert"),
    ("client.default.tls_key", "--tls-key"),
    ("client.default.tls_server_name", "--tls-server-name"),
    ("referer.callee.direct", "ADDRESS"),
];

/// What is wrong, in words of the command line.
fn in_arguments(mistakes: &Mistakes) -> String {
    let told = mistakes.iter().map(|mistake| {
        let argument = ARGUMENTS.iter().find_map(|(setting, argument)| {
            let rest = mistake.strip_prefix(setting)?;
            rest.starts_with(':').then(|| format!("{argument}{rest}"))
        });
        argument.unwrap_or_else(|| mistake.to_owned())
    });
    told.collect::<Vec<_>>().join("\n")
}

/// Name of the referer.
const CALLEE: &str = "callee";
/// How long the connection may take to close.
const LEAVING: Duration = Duration::from_millis(100);

fn client(args: &Args) -> ClientConfig {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    ClientConfig::default()
        // The call itself connects, and has all the time that there is.
        .lazy(true)
        .connect_timeout(timeout(args))
        .layout(if args.v1 { "v1" } else { "v2" })
        .tls_ca(text(&args.tls_ca))
        .tls_cert(text(&args.tls_cert))
        .tls_key(text(&args.tls_key))
        .tls_server_name(text(&args.tls_server_name))
}

fn referer(args: &Args, service_id: i32) -> RefererConfig {
    RefererConfig::dynamic(CALLEE, service_id)
        .to(&args.address)
        .timeout(timeout(args))
        .zip(args.zip.clone())
        // Asked for, it is done to the shortest request.
        .min_size_to_zip(0_usize)
}

fn timeout(args: &Args) -> Duration {
    Duration::from_millis(args.timeout.into())
}

fn print(answer: &str, compact: bool) -> Result<Printed, Box<dyn Error>> {
    let value: Value = serde_json::from_str(answer)?;
    let is_refused = value["retCode"].as_i64().is_some_and(|code| code < 0);
    let text = if compact {
        answer.to_owned()
    } else {
        pretty(answer)?
    };
    Ok(if is_refused {
        Printed::refused(text)
    } else {
        Printed::good(text)
    })
}

/// The same JSON with line breaks, its fields in their order.
fn pretty(json: &str) -> serde_json::Result<String> {
    let mut text = Vec::new();
    let mut from = serde_json::Deserializer::from_str(json);
    let mut to = serde_json::Serializer::pretty(&mut text);
    serde_transcode::transcode(&mut from, &mut to)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
