//! A gateway for a test, the service behind it, and who asks it over a socket.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use serde_json::Value;
use tangelo::rpc::{Definition, Status};
use tangelo_gateway::{
    Backends, Gateway, GatewayBuilder,
    route::{Group, Routes, SessionMode, Url},
};
use tangelo_reflect::Pool;
use tangelo_runtime::Tasks;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};

use crate::{client::connect, world::soon};

tangelo::include_proto!("gateway");

/// The service's number.
pub(crate) const WEB: i32 = 140;

/// What the service is held with.
#[derive(Clone)]
pub(crate) struct Site {
    /// How many were asked to hold.
    pub(crate) held: Arc<AtomicUsize>,
    /// Lets them go on.
    pub(crate) go_on: Arc<Semaphore>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            held: Arc::default(),
            go_on: Arc::new(Semaphore::new(0)),
        }
    }
}

impl Web for Site {
    async fn echo(&self, asked: EchoReq) -> Result<EchoRes, Status> {
        Ok(EchoRes {
            text: asked.text,
            number: asked.number,
            session_id: asked.session_id,
            user_id: asked.user_id,
            http_method: asked.http_method,
            http_host: asked.http_host,
            http_schema: asked.http_schema,
            ..EchoRes::default()
        })
    }

    async fn login(&self, asked: LoginReq) -> Result<LoginRes, Status> {
        Ok(LoginRes {
            session: Some(WebSession {
                login_flag: asked.flag,
                user_id: asked.name,
            }),
            ..LoginRes::default()
        })
    }

    async fn answer(&self, asked: AnswerReq) -> Result<AnswerRes, Status> {
        match asked.how.as_str() {
            "fail" => return Err(Status::new(asked.code, asked.words)),
            "panic" => panic!("{}", asked.words),
            _ => {}
        }
        Ok(AnswerRes {
            ret_code: asked.code,
            ret_msg: asked.words,
            http_code: asked.status,
            text: "x".repeat(usize::try_from(asked.length).unwrap()),
            header_x_note: asked.note.clone(),
            cookie_theme: asked.note,
        })
    }

    async fn page(&self, asked: PageReq) -> Result<PageRes, Status> {
        Ok(PageRes {
            ret_code: asked.code,
            plain_text: asked.text.clone(),
            html: asked.text.clone(),
            xml: asked.text.clone(),
            text: asked.text,
            redirect_url: asked.to,
            template: asked.template,
            download_file: asked.file,
            download_stream: asked.stream,
            attachment: asked.attachment,
            filename: asked.name,
            auto_delete: asked.auto_delete,
            header_x_note: "noted".to_owned(),
            http_code: asked.status,
        })
    }

    async fn upload(&self, asked: UploadReq) -> Result<UploadRes, Status> {
        if asked.how == "hold" {
            self.held.fetch_add(1, Ordering::SeqCst);
            self.go_on.acquire().await.unwrap().forget();
        }
        let read = |file: &File| std::fs::read_to_string(&file.file).unwrap_or_default();
        Ok(UploadRes {
            ret_code: if asked.how == "fail" { -5 } else { 0 },
            contents: asked.files.iter().map(read).collect(),
            files: asked.files,
            title: asked.title,
            tags: asked.tags,
        })
    }

    async fn hold(&self, _: HoldReq) -> Result<HoldRes, Status> {
        self.held.fetch_add(1, Ordering::SeqCst);
        self.go_on.acquire().await.unwrap().forget();
        Ok(HoldRes::default())
    }
}

/// What the service's messages look like.
pub(crate) fn pool() -> Pool {
    let mut pool = Pool::new();
    let set = <WebServer<Site> as Definition>::DESCRIPTORS;
    pool.add_set("gateway", set).unwrap();
    pool
}

/// `/echo`, `/echo/{text}`, `/login`, `/answer`, `/hold`; and `/echo1` to `/echo3` with these session modes.
pub(crate) fn routes() -> Routes {
    let echo = |path: &str, mode| Url::new(path).message(1).session_mode(mode);
    let group = Group::new("")
        .service(WEB)
        .url(Url::new("/echo").message(1))
        .url(Url::new("/echo/{text}").message(1))
        .url(Url::new("/login").message(2))
        .url(Url::new("/login1").message(2).session_mode(SessionMode::Id))
        .url(Url::new("/answer").message(3))
        .url(Url::new("/hold").message(4))
        .url(echo("/echo1", SessionMode::Id))
        .url(echo("/echo2", SessionMode::Optional))
        .url(echo("/echo3", SessionMode::Required));
    Routes::new().group(group)
}

/// A gateway on a port of its own in front of a service of this process.
pub(crate) fn builder(site: &Site) -> GatewayBuilder {
    Gateway::builder("web")
        .listen("127.0.0.1", 0)
        .routes(routes())
        .pool(pool())
        .backends(Backends::new().service(WebServer::new(site.clone())))
}

pub(crate) async fn start(builder: GatewayBuilder) -> Gateway {
    builder.bind().await.unwrap().start(&Tasks::default())
}

/// A gateway with nothing special.
pub(crate) async fn gateway() -> Gateway {
    start(builder(&Site::default())).await
}

/// A response as it came.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Said {
    /// The header of this name, in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The secret in the session's cookie, if it was set.
    pub(crate) fn cookie(&self) -> Option<&str> {
        let headers = self.headers.iter().filter(|(name, _)| name == "set-cookie");
        let mut pairs = headers.filter_map(|(_, value)| value.split(';').next());
        pairs.find_map(|pair| pair.strip_prefix("JSESSIONID="))
    }

    /// Holds it to this status and code, and returns its words.
    pub(crate) fn is_refused(&self, status: u16, code: i32) -> String {
        let json = self.json();
        assert_eq!(
            (self.status, &json["retCode"]),
            (status, &code.into()),
            "{self:?}"
        );
        json["retMsg"].as_str().unwrap_or_default().to_owned()
    }
}

/// A client that says what a test writes, byte for byte.
pub(crate) struct Browser<S = TcpStream> {
    pub(crate) stream: S,
    reading: BytesMut,
}

impl Browser {
    pub(crate) async fn at(address: SocketAddr) -> Self {
        Self::over(connect(address).await)
    }

    pub(crate) async fn of(gateway: &Gateway) -> Self {
        Self::at(gateway.address()).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Browser<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            reading: BytesMut::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) -> Said {
        self.get_with(path, "").await
    }

    /// With these lines among the headers.
    pub(crate) async fn get_with(&mut self, path: &str, lines: &str) -> Said {
        self.send(format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n"
        ))
        .await;
        self.hear().await
    }

    pub(crate) async fn post(&mut self, path: &str, kind: &str, body: impl AsRef<[u8]>) -> Said {
        let body = body.as_ref();
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\n\
             content-length: {length}\r\n\r\n"
        );
        self.send([head.as_bytes(), body].concat()).await;
        self.hear().await
    }

    /// The next response.
    pub(crate) async fn hear(&mut self) -> Said {
        self.hear_of("GET").await
    }

    /// The next response, to a request of this method.
    pub(crate) async fn hear_of(&mut self, method: &str) -> Said {
        let end = loop {
            let found = self.reading.windows(4).position(|part| part == b"\r\n\r\n");
            match found {
                Some(end) => break end,
                None => self.read_more().await,
            }
        };
        let head = self.reading.split_to(end + 4);
        let head = String::from_utf8(head.to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut said = Said {
            status: status.parse().unwrap(),
            headers,
            body: Vec::new(),
        };
        if method == "HEAD" {
            return said;
        }
        if said.header("transfer-encoding") == Some("chunked") {
            said.body = self.chunks().await;
        } else if let Some(length) = said.header("content-length") {
            let length = length.parse().unwrap();
            said.body = self.take(length).await;
        }
        said
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match self.reading.windows(2).position(|part| part == b"\r\n") {
                    Some(end) => break end,
                    None => self.read_more().await,
                }
            };
            let line = self.reading.split_to(end + 2);
            let length = std::str::from_utf8(&line).unwrap().trim();
            let length = usize::from_str_radix(length, 16).unwrap();
            body.extend(self.take(length).await);
            self.take(2).await;
            if length == 0 {
                return body;
            }
        }
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.reading.len() < length {
            self.read_more().await;
        }
        self.reading.split_to(length).to_vec()
    }

    async fn read_more(&mut self) {
        let read = soon("a response", self.stream.read_buf(&mut self.reading)).await;
        let so_far = String::from_utf8_lossy(&self.reading).into_owned();
        assert_ne!(read.unwrap(), 0, "closed: {so_far}");
    }

    /// The gateway closes the connection, and says nothing more.
    pub(crate) async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        let end = soon("the connection ends", self.stream.read_to_end(&mut rest)).await;
        let rest = [&self.reading[..], &rest].concat();
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
        // What was not read makes it a reset.
        drop(end);
    }
}

/// As much time as a test gives to what is to be late.
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// A folder of a test's own, gone with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let (process, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("tangelo-gateway-{process}-{next}"));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// With this file, and the folders it lies in.
    pub(crate) fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(name, content);
        self
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Names of what lies in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
