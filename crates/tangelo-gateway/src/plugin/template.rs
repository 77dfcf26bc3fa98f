//! An answer becomes a page.

use std::{
    collections::HashMap,
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};

use http::{HeaderValue, StatusCode};
use minijinja::{AutoEscape, Environment, ErrorKind, TemplateSource, value::Serde};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tracing::warn;

use super::{Plugin, Refusal, Step, params::Params};
use crate::{
    Exchange, Output,
    serve::{Place, cut, is_hidden, look, off_thread},
};

/// Its name in routes.
pub(crate) const NAME: &str = "template";

/// The attribute of a url that names its template.
pub(crate) const ATTRIBUTE: &str = "template";

/// Renders answers by templates of Jinja's form.
///
/// Which one says a field of the answer, or else the attribute `template` of the url: a file in the `templateDir` of
/// the nearest dir. It has `res`, the answer's fields, `req`, the parameters, and `session`. Where there is none, of
/// errors and of answers whose `retCode` is not 0, JSON is sent.
pub(super) struct Template {
    field: String,
    folders: Mutex<HashMap<PathBuf, Arc<Folder>>>,
    /// Turns, of templates that are rendered at once.
    turns: Arc<Semaphore>,
}

/// The templates of a folder, compiled.
struct Folder {
    environment: Environment<'static>,
    loads: Arc<AtomicUsize>,
}

/// Templates that are loaded before all of them are loaded anew: those that have changed are kept as long.
const LOADS: usize = 1000;

/// Folders whose templates are kept.
const FOLDERS: usize = 64;

/// Bytes of the longest template.
const LONGEST: u64 = 4 << 20;

/// Steps that a template may take: a page of 10,000 rows takes some 200,000. It is less than a second's work, so that one
/// that would not end does.
const STEPS: u64 = 5_000_000;

/// Bytes of the longest page.
const LONGEST_PAGE: usize = 16 << 20;

/// Templates that are rendered at once; others wait for their turn, within the time of their request.
const AT_ONCE: usize = 16;

impl Template {
    pub(super) fn new(params: &str) -> Result<Self, String> {
        let mut params = Params::read(params)?;
        let field = params.name("templateField", "template");
        params.end()?;
        Ok(Self {
            field,
            folders: Mutex::default(),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Which template it is; none if the answer is sent as JSON.
    fn name(&self, exchange: &Exchange, output: &mut Output) -> Option<String> {
        if output.is_error() || output.ret_code() != 0 {
            return None;
        }
        // What is no message is told when it is rendered.
        let fields = output.fields().ok()?;
        let status = fields.get("httpCode").and_then(Value::as_i64);
        if !matches!(status, None | Some(0 | 200 | 201)) {
            return None;
        }
        let said = fields.remove(&self.field);
        let said = said
            .as_ref()
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty());
        said.or(exchange.url().attribute(ATTRIBUTE))
            .map(str::to_owned)
    }

    fn folder(&self, path: &Path) -> Arc<Folder> {
        let mut folders = self.folders.lock();
        if let Some(folder) = folders.get(path)
            && folder.loads.load(Relaxed) < LOADS
        {
            return Arc::clone(folder);
        }
        if folders.len() >= FOLDERS {
            folders.clear();
        }
        let folder = Arc::new(Folder::new(path, STEPS));
        folders.insert(path.to_owned(), Arc::clone(&folder));
        folder
    }
}

impl Plugin for Template {
    fn after_parse<'a>(&'a self, exchange: &'a mut Exchange) -> Step<'a> {
        // So that they are there for the template. What is wrong with them is told when the message is filled.
        let _ = exchange.parameters();
        Step::Next
    }

    fn before_render<'a>(&'a self, exchange: &'a Exchange, output: &'a mut Output) -> Step<'a> {
        let Some(name) = self.name(exchange, output) else {
            return Step::Next;
        };
        let url = &exchange.url().path;
        let Some(folder) = exchange.template_dir().map(|path| self.folder(path)) else {
            if let Some(left_out) = exchange.line() {
                let template = cut(&name);
                warn!(
                    url,
                    template, left_out, "no dir for this path has a templateDir"
                );
            }
            return failed();
        };
        let Ok(fields) = output.fields() else {
            return Step::Next;
        };
        let context = json!({
            "res": fields,
            "req": exchange.known_parameters().unwrap_or(&Map::new()),
            "session": exchange.session(),
        });
        let kind = kind_of(&name);
        Step::wait(async move {
            let Ok(turn) = Arc::clone(&self.turns).acquire_owned().await else {
                return failed();
            };
            let rendering = off_thread({
                let name = name.clone();
                move || {
                    // Until it ends, whether somebody waits for it or not.
                    let _turn = turn;
                    Ok(folder.render(&name, &context))
                }
            });
            match rendering.await {
                Ok(Ok(page)) => {
                    output.set_body(kind, page);
                    Step::Next
                }
                Ok(Err(error)) => broken(exchange, &name, &error),
                Err(error) => broken(exchange, &name, &error),
            }
        })
    }
}

fn broken(exchange: &Exchange, name: &str, error: &dyn fmt::Display) -> Step<'static> {
    if let Some(left_out) = exchange.line() {
        let (url, template, error) = (&exchange.url().path, cut(name), cut(error));
        warn!(
            url,
            template, error, left_out, "a template cannot be rendered"
        );
    }
    failed()
}

fn failed() -> Step<'static> {
    let refusal = Refusal::new(tangelo_rpc::Code::EXEC_EXCEPTION.0, "internal error");
    Step::Refuse(refusal.status(StatusCode::INTERNAL_SERVER_ERROR))
}

impl Folder {
    fn new(path: &Path, steps: u64) -> Self {
        let mut environment = Environment::new();
        environment.set_fuel(Some(steps));
        let loads = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&loads);
        let path = path.to_owned();
        environment.set_loader(move |name| {
            counted.fetch_add(1, Relaxed);
            load(&path, name)
        });
        environment.set_auto_escape_callback(|name| {
            let kind = kind_of(name);
            let kind = kind.to_str().unwrap_or_default();
            match kind.split(';').next().unwrap_or_default() {
                "text/plain" | "text/csv" | "text/markdown" => AutoEscape::None,
                "application/json" | "text/javascript" => AutoEscape::Json,
                _ => AutoEscape::Html,
            }
        });
        Self { environment, loads }
    }

    /// Blocks: it looks whether files have changed.
    fn render(&self, name: &str, context: &Value) -> Result<Vec<u8>, minijinja::Error> {
        let context = minijinja::Value::from(Serde(context));
        let template = self.environment.get_template(name)?;
        let mut page = Page(Vec::new());
        template.render_captured_to(context, &mut page)?;
        Ok(page.0)
    }
}

/// What a template has made so far.
struct Page(Vec<u8>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_PAGE {
            let words = format!("the page has more than {LONGEST_PAGE} bytes");
            return Err(io::Error::other(words));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type State = (Option<SystemTime>, u64);

fn load(folder: &Path, name: &str) -> Result<Option<TemplateSource>, minijinja::Error> {
    let unreadable = |error: io::Error| {
        let error = minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string());
        error.with_source(io::Error::other("the template cannot be read"))
    };
    let is_plain = !name.contains('\\')
        && !is_hidden(name)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !is_plain {
        return Ok(None);
    }
    let Place::File(opened) = look(folder, name).map_err(unreadable)? else {
        return Ok(None);
    };
    let state: State = (opened.modified, opened.length);
    let mut text = String::new();
    let read = opened.file.take(LONGEST).read_to_string(&mut text);
    read.map_err(unreadable)?;
    let (folder, name) = (folder.to_owned(), name.to_owned());
    let is_as_it_was = move || match look(&folder, &name) {
        Ok(Place::File(now)) => (now.modified, now.length) == state,
        _ => false,
    };
    let source = TemplateSource::new(text);
    Ok(Some(source.with_uptodate_check(is_as_it_was)))
}

/// The type of what a template makes: of `page.html`, or of `page.html.j2`.
fn kind_of(name: &str) -> HeaderValue {
    let suffixes = [".j2", ".jinja", ".jinja2"];
    let inner = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
    match mime_guess::from_path(inner.unwrap_or(name)).first_raw() {
        Some("application/json") => HeaderValue::from_static("application/json"),
        Some(text) if text.starts_with("text/") || text.ends_with("xml") => {
            HeaderValue::try_from(format!("{text}; charset=utf-8"))
                .unwrap_or(HeaderValue::from_static("text/html; charset=utf-8"))
        }
        _ => HeaderValue::from_static("text/html; charset=utf-8"),
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Template")
            .field("field", &self.field)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_that_of_the_name_without_its_suffix() {
        for (name, kind) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.html.j2", "text/html; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.xml.jinja", "text/xml; charset=utf-8"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.json", "application/json"),
            ("a", "text/html; charset=utf-8"),
            ("a.png", "text/html; charset=utf-8"),
        ] {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }

    #[test]
    fn a_template_that_would_not_end_does_and_one_of_many_rows_is_rendered() {
        let path = std::env::temp_dir().join(format!("tangelo-template-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let endless =
            "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
        std::fs::write(path.join("endless.html"), endless).unwrap();
        let rows =
            "{% for a in range(10000) %}<tr><td>{{ a }}</td><td>{{ a + 1 }}</td></tr>{% endfor %}";
        std::fs::write(path.join("rows.html"), rows).unwrap();
        let folder = Folder::new(&path, STEPS / 10);
        let error = folder.render("endless.html", &Value::Null).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfFuel);
        let page = folder.render("rows.html", &Value::Null).unwrap();
        assert!(String::from_utf8(page).unwrap().contains("<td>10000</td>"));
        let long = "{% for a in range(2000) %}{{ res }}{% endfor %}";
        std::fs::write(path.join("long.html"), long).unwrap();
        let context = json!({ "res": "x".repeat(LONGEST_PAGE / 1000) });
        let error = folder.render("long.html", &context).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WriteFailure);
        std::fs::remove_dir_all(path).unwrap();
    }
}
