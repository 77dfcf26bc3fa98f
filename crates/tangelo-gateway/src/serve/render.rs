//! An answer becomes a response.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde_json::Value;
use tangelo_reflect::message;
use tangelo_rpc::Reply;
use tokio::time::Instant;
use tracing::warn;

use super::{
    files::{self, NoDownload, Wanted},
    lines::cut,
    load::RoutePlan,
    problem::{Code, JSON, Problem},
    sessions::Ticket,
    shared::Shared,
};
use crate::{
    Body, Exchange, Output,
    exchange::Said,
    mapping::{Download, Refused, Rendered},
};

impl Shared {
    /// What a service has answered. Where a negative code has no words it gets some.
    pub(super) fn output_of(&self, exchange: &Exchange, reply: Reply) -> Output {
        let plan = &exchange.plan;
        let ret_code = reply.ret_code;
        let body = match plan.method.ret_msg {
            Some(field) if ret_code < 0 => self.with_words(reply.body, field, ret_code),
            _ => reply.body,
        };
        output(exchange, ret_code, Said::Message(body))
    }

    fn with_words(&self, body: Bytes, field: u32, code: i32) -> Bytes {
        let is_empty = matches!(message::string(&body, field), Ok(None | Some("")));
        if !is_empty {
            return body;
        }
        match self.text(code) {
            Some(words) => message::fill_text(body, field, &words),
            None if Code(code).text() != "unknown error" => {
                message::fill_text(body, field, Code(code).text())
            }
            None => body,
        }
    }

    /// What is said of a problem.
    pub(super) fn output_of_problem(&self, exchange: &Exchange, problem: &Problem) -> Output {
        let said = Said::Error(problem.fields());
        let mut output = output(exchange, problem.code, said);
        output.status = Some(problem.status);
        output
    }

    /// The response. What it wants done to the session is done first, so that the client's next request finds it.
    pub(super) async fn render(
        &self,
        exchange: &Exchange,
        output: Output,
        ticket: &mut Ticket,
        deadline: Instant,
    ) -> Result<Response<Body>, Problem> {
        let plan = &exchange.plan;
        let rendered = match output.said {
            Said::Message(message) => plan.response.render(&message),
            Said::Fields(fields) => plan.response.render_map(fields),
            Said::Error(fields) => Ok(Rendered {
                ret_code: output.ret_code,
                json: Value::Object(fields).to_string().into(),
                ..Rendered::default()
            }),
        };
        let mut rendered = rendered.map_err(|error| {
            if let Some(left_out) = self.line() {
                let (url, error) = (&plan.url.path, cut(&error));
                warn!(
                    gateway = self.id,
                    url, error, left_out, "an answer cannot be rendered"
                );
            }
            Problem::from(&error)
        })?;
        if let Some(left_out) = self.line_if(&rendered) {
            let url = &plan.url.path;
            for Refused { field, why } in &rendered.refused {
                warn!(
                    gateway = self.id,
                    url, field, why, left_out, "a field cannot be a header as it is"
                );
            }
        }
        if let Some(change) = rendered.session.take() {
            ticket
                .change(self, exchange.headers(), change, deadline)
                .await?;
        }
        let download = rendered.download.take();
        if let Some(download) = download.filter(|_| rendered.ret_code >= 0 && output.body.is_none())
        {
            let mut response = self.download(exchange, download, &mut rendered).await?;
            let headers = response.headers_mut();
            for (name, value) in rendered.headers {
                headers.insert(name, value);
            }
            for cookie in rendered.cookies {
                headers.append(header::SET_COOKIE, cookie);
            }
            headers.extend(output.headers);
            return Ok(response);
        }
        let status = output.status.or(rendered.status);
        let status = status.unwrap_or_else(|| self.status(plan, rendered.ret_code));
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let kind = rendered.content_type.take().unwrap_or(JSON);
        let (kind, body) = output.body.unwrap_or((kind, rendered.json));
        headers.insert(header::CONTENT_TYPE, kind);
        for (name, value) in rendered.headers {
            headers.append(name, value);
        }
        for cookie in rendered.cookies {
            headers.append(header::SET_COOKIE, cookie);
        }
        headers.extend(output.headers);
        *response.body_mut() = body.into();
        Ok(response)
    }

    /// The file that an answer names, in place of its JSON.
    async fn download(
        &self,
        exchange: &Exchange,
        download: Download,
        rendered: &mut Rendered,
    ) -> Result<Response<Body>, Problem> {
        let wanted = Wanted {
            method: exchange.method(),
            headers: exchange.headers(),
            folder: exchange.download_dir(),
            kind: rendered.content_type.take(),
        };
        let sent = files::download(download, wanted).await;
        let mut response = sent.map_err(|error| {
            if let Some(left_out) = self.line() {
                let (url, error) = (&exchange.plan.url.path, cut(&error));
                warn!(
                    gateway = self.id,
                    url, error, left_out, "a file cannot be sent"
                );
            }
            match error {
                // What is elsewhere is told apart from what is not there in the log alone.
                NoDownload::Missing | NoDownload::Outside => Problem::not_found(),
                NoDownload::NoFolder | NoDownload::Unreadable(_) => Problem::internal(),
            }
        })?;
        if response.status() == StatusCode::OK
            && let Some(status) = rendered.status
        {
            *response.status_mut() = status;
        }
        Ok(response)
    }

    fn line_if(&self, rendered: &Rendered) -> Option<u32> {
        if rendered.refused.is_empty() {
            return None;
        }
        self.line()
    }

    /// The status of an answer that says nothing of it.
    fn status(&self, plan: &RoutePlan, ret_code: i32) -> StatusCode {
        if ret_code == 0 {
            return plan.status.unwrap_or(StatusCode::OK);
        }
        let status = self.statuses.get(&ret_code).copied();
        let negative = self.negative.filter(|_| ret_code < 0);
        status.or(negative).unwrap_or(StatusCode::OK)
    }
}

fn output(exchange: &Exchange, ret_code: i32, said: Said) -> Output {
    Output {
        plan: std::sync::Arc::clone(&exchange.plan),
        ret_code,
        said,
        status: None,
        headers: http::HeaderMap::new(),
        body: None,
    }
}
