//! How a record becomes a line.

use std::{
    borrow::Cow,
    fmt::{self, Write},
    sync::Arc,
    time::SystemTime,
};

use jiff::{Timestamp, tz::TimeZone};
use tangelo_reflect::log_text::is_unseen;

use super::{Excerpt, Record};

/// Makes a record a line.
pub trait LogFormatter: Send + Sync + 'static {
    /// Appends the line to `out`, which is empty; without a line break. A panic loses the line.
    fn line(&self, record: &Record, out: &mut String);
}

/// Which body of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// What was asked.
    Request,
    /// What was answered.
    Response,
}

/// Makes bodies readable, and knows what messages are called. It is where what nobody should read
/// is masked.
pub trait BodyText: Send + Sync + 'static {
    /// What a message is called, as `Service.method`; none if it is not known.
    fn name(&self, service_id: i32, msg_id: i32) -> Option<Cow<'_, str>>;

    /// Appends a body's text to `out`. A body that is not [whole](Excerpt::is_whole) may end
    /// anywhere. Control characters may stand in the text, they do not reach the line.
    fn body(&self, service_id: i32, msg_id: i32, part: Part, body: &Excerpt, out: &mut String);
}

/// Says how long bodies are, for those whose messages are not known.
#[derive(Clone, Copy, Debug, Default)]
pub struct BodySizes;

impl BodyText for BodySizes {
    fn name(&self, _: i32, _: i32) -> Option<Cow<'_, str>> {
        None
    }

    fn body(&self, _: i32, _: i32, _: Part, body: &Excerpt, out: &mut String) {
        append(out, format_args!("bytes:{}", body.whole_len()));
    }
}

/// krpc's line: timestamp, connection, sequence, trace id, span id, service, message,
/// `Service.method`, code, microseconds, request, response, extra; between them a comma and three
/// spaces.
///
/// The timestamp is local time, by the `TZ` variable or the system's setting as it was when this
/// was made, else UTC. A message without a name is called by its numbers. Nothing that a peer sent
/// breaks the line: control characters become spaces, and a separator in a text a comma. A body of
/// which only the beginning was kept ends with `...` and its whole length.
#[derive(Clone)]
pub struct PlainFormatter {
    bodies: Arc<dyn BodyText>,
    zone: TimeZone,
}

const SEPARATOR: &str = ",   ";

impl PlainFormatter {
    /// One that has its bodies written by `bodies`.
    pub fn new(bodies: Arc<dyn BodyText>) -> Self {
        Self {
            bodies,
            zone: TimeZone::system(),
        }
    }

    fn timestamp(&self, at: SystemTime, out: &mut String) {
        // A clock that is thousands of years off is shown as 1970.
        let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
        let at = self.zone.to_datetime(at);
        append(
            out,
            format_args!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
                at.year(),
                at.month(),
                at.day(),
                at.hour(),
                at.minute(),
                at.second(),
                at.millisecond(),
            ),
        );
    }

    fn name(&self, record: &Record, out: &mut String) {
        let Record {
            service_id, msg_id, ..
        } = *record;
        match self.bodies.name(service_id, msg_id) {
            Some(name) => out.push_str(&name),
            None => append(out, format_args!("{service_id}.{msg_id}")),
        }
    }

    fn body(&self, record: &Record, part: Part, out: &mut String) {
        let body = match part {
            Part::Request => &record.request,
            Part::Response => &record.response,
        };
        if body.whole_len() == 0 {
            return;
        }
        self.bodies
            .body(record.service_id, record.msg_id, part, body, out);
        if !body.is_whole() {
            append(out, format_args!("...({} bytes)", body.whole_len()));
        }
    }
}

impl LogFormatter for PlainFormatter {
    fn line(&self, record: &Record, out: &mut String) {
        self.timestamp(record.completed, out);
        field(out, |out| out.push_str(&record.connection));
        field(out, |out| append(out, format_args!("{}", record.sequence)));
        field(out, |out| out.push_str(record.trace_id.as_str()));
        field(out, |out| out.push_str(record.span_id.as_str()));
        field(out, |out| {
            append(out, format_args!("{}", record.service_id))
        });
        field(out, |out| append(out, format_args!("{}", record.msg_id)));
        field(out, |out| self.name(record, out));
        field(out, |out| append(out, format_args!("{}", record.ret_code)));
        field(out, |out| {
            append(out, format_args!("{}", record.took.as_micros()))
        });
        field(out, |out| self.body(record, Part::Request, out));
        field(out, |out| self.body(record, Part::Response, out));
        field(out, |out| out.push_str(record.extra.as_str()));
    }
}

impl fmt::Debug for PlainFormatter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PlainFormatter")
            .field("zone", &self.zone.iana_name())
            .finish_non_exhaustive()
    }
}

fn append(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = out.write_fmt(text);
}

/// Appends a field that stays one, whatever is written into it.
fn field(out: &mut String, write: impl FnOnce(&mut String)) {
    out.push_str(SEPARATOR);
    let start = out.len();
    write(out);
    let is_clean = |text: &str| !text.contains(is_unseen) && !text.contains(SEPARATOR);
    if out.get(start..).is_none_or(is_clean) {
        return;
    }
    for character in out.split_off(start).chars() {
        out.push(if is_unseen(character) { ' ' } else { character });
        // As soon as one stands there, so that what follows cannot make another of the rest.
        if let Some(text) = out.get(start..)
            && text.ends_with(SEPARATOR)
        {
            out.truncate(out.len() - SEPARATOR.len() + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use jiff::tz::Offset;

    use super::*;
    use crate::access_log::tests::record;

    /// Knows one message, and shows bodies as the text they are.
    struct Known;

    impl BodyText for Known {
        fn name(&self, service_id: i32, msg_id: i32) -> Option<Cow<'_, str>> {
            ((service_id, msg_id) == (100, 1)).then_some("UserService.login".into())
        }

        fn body(&self, _: i32, _: i32, part: Part, body: &Excerpt, out: &mut String) {
            out.push_str(match part {
                Part::Request => "asked:",
                Part::Response => "said:",
            });
            out.push_str(&String::from_utf8_lossy(body.bytes()));
        }
    }

    fn formatter(hours: i8) -> PlainFormatter {
        PlainFormatter {
            bodies: Arc::new(Known),
            zone: Offset::constant(hours).to_time_zone(),
        }
    }

    fn line(record: &Record) -> String {
        let mut out = String::new();
        formatter(0).line(record, &mut out);
        out
    }

    #[test]
    fn a_line_is_as_krpc_writes_it() {
        let mut record = Record {
            completed: UNIX_EPOCH + Duration::from_millis(1_795_217_715_932),
            connection: "127.0.0.1:44934:60aff517".into(),
            trace_id: "f04d1986f3494ac9850a7427524ce42d".into(),
            span_id: "0.1".into(),
            took: Duration::from_micros(1067),
            request: Excerpt::of(b"userName:abc^password:***"),
            response: Excerpt::of(b"retMsg:hello^userId:u1"),
            ..record(5)
        };
        record.extra.add("Q", 646);
        record.extra.add("OTS", 325);
        assert_eq!(
            line(&record),
            "2026-11-20 23:35:15.932,   127.0.0.1:44934:60aff517,   5,   \
             f04d1986f3494ac9850a7427524ce42d,   0.1,   100,   1,   UserService.login,   0,   1067,   \
             asked:userName:abc^password:***,   said:retMsg:hello^userId:u1,   Q:646^OTS:325"
        );
    }

    #[test]
    fn what_is_not_known_is_left_empty_and_a_message_without_name_has_its_numbers() {
        let record = Record {
            service_id: 7,
            msg_id: -2,
            ret_code: -600,
            ..record(0)
        };
        assert_eq!(
            line(&record),
            "1970-01-01 00:00:00.000,   no_connection:0:0,   0,   ,   ,   7,   -2,   7.-2,   -600,   \
             0,   ,   ,   "
        );
    }

    #[test]
    fn timestamps_are_local() {
        let timestamp = |hours| {
            let mut out = String::new();
            formatter(hours).timestamp(UNIX_EPOCH + Duration::from_millis(1), &mut out);
            out
        };
        assert_eq!(timestamp(0), "1970-01-01 00:00:00.001");
        assert_eq!(timestamp(8), "1970-01-01 08:00:00.001");
        assert_eq!(timestamp(-1), "1969-12-31 23:00:00.001");
    }

    #[test]
    fn a_clock_that_is_far_off_is_shown_as_1970() {
        let year = Duration::from_secs(365 * 86_400);
        let Some(completed) = UNIX_EPOCH.checked_add(10_000 * year) else {
            return;
        };
        let record = Record {
            completed,
            ..record(1)
        };
        assert!(line(&record).starts_with("1970-01-01 00:00:00.000"));
    }

    #[test]
    fn nothing_a_peer_sends_breaks_the_line() {
        for evil in [
            "a\n2026-01-01 00:00:00.000,   x",
            "a,   b",
            "a,\t\t\tb",
            "a,      b",
            "a,,      b",
            "a,  \u{85} b",
            "a\u{2028}b\u{1b}[2J\r",
            "a\u{202e},\u{200b}\u{2066}\u{feff}b",
        ] {
            let mut record = Record {
                connection: evil.into(),
                trace_id: evil.into(),
                span_id: evil.into(),
                request: Excerpt::of(evil.as_bytes()),
                response: Excerpt::of(evil.as_bytes()),
                ..record(1)
            };
            record.extra.add(evil, evil);
            let line = line(&record);
            assert_eq!(line.split(SEPARATOR).count(), 13, "{line:?}");
            assert!(!line.contains(is_unseen), "{line:?}");
        }
    }

    #[test]
    fn a_separator_in_a_body_becomes_a_comma() {
        let record = Record {
            request: Excerpt::of(b"a,   b, c,  d"),
            ..record(1)
        };
        assert!(line(&record).contains(",   asked:a,b, c,  d,   "));
    }

    #[test]
    fn a_body_that_was_cut_says_so_with_its_length() {
        let cut = |length: usize| {
            let record = Record {
                request: Excerpt::of(&vec![b'x'; length]),
                ..record(1)
            };
            line(&record)
        };
        assert!(!cut(Excerpt::MOST).contains("bytes)"));
        assert!(cut(Excerpt::MOST + 1).contains("x...(4097 bytes),   "));
    }

    #[test]
    fn bodies_of_unknown_messages_show_their_sizes() {
        let mut out = String::new();
        BodySizes.body(1, 1, Part::Request, &Excerpt::of(b"abc"), &mut out);
        assert_eq!(out, "bytes:3");
        assert_eq!(BodySizes.name(1, 1), None);
    }
}
