//! A job as Pomelo's crons.json has it: `{"id", "time", "action", "serverId"}`.

use serde_json::{Map, Value};

use super::{Cron, Job, Overlap, Schedule, pomelo};

/// The keys that mean something. Others are the application's, unless they are these but for their case.
const KEYS: [&str; 7] = [
    "id",
    "time",
    "cron",
    "action",
    "serverId",
    "server_id",
    "overlap",
];

impl Job {
    /// A job as Pomelo's crons.json has it, and what `app.addCrons` took:
    /// `{"id": 1, "time": "0 0/30 * * * *", "action": "roomCron.tidy", "serverId": "chat-server-1"}`.
    ///
    /// * `id`: a text or a number, which becomes one.
    /// * `time`: six fields, see [`PomeloCron`](super::PomeloCron); or
    ///   `{"start": ms since 1970, "period": ms, "count": times}`, of which each may be missing: now, once,
    ///   without end. A time that is over does not come.
    /// * `cron`, in place of `time`: cron's usual form, see [`Cron`]. Not Pomelo's.
    /// * `action`: see [`Blueprint::job`](crate::Blueprint::job).
    /// * `serverId`, or `server_id`: the only server it runs on; without one it runs on all of its type.
    /// * `overlap`: `skip`, `queue` or `concurrent`, see [`Overlap`]. Not Pomelo's.
    ///
    /// # Errors
    /// All that is wrong with it, key by key.
    pub fn from_pomelo(entry: &Value) -> Result<Self, JobEntryError> {
        let Value::Object(entry) = entry else {
            let problem = "expected an object with `id`, `time` and `action`";
            return Err(JobEntryError(vec![format!("{problem}, found {entry}")]));
        };
        let mut mistakes = misspelt(entry);
        let id = keep(id(entry), &mut mistakes);
        let time = keep(time(entry), &mut mistakes);
        let action = keep(text(entry, "action"), &mut mistakes);
        let server_id = keep(server_id(entry), &mut mistakes);
        let overlap = keep(overlap(entry), &mut mistakes);
        match (id, time, action, server_id, overlap) {
            (Some(id), Some(time), Some(action), Some(server_id), Some(overlap))
                if mistakes.is_empty() =>
            {
                let job = Self::new(id, action, time).overlap(overlap);
                Ok(match server_id {
                    Some(server_id) => job.on(server_id),
                    None => job,
                })
            }
            _ => Err(JobEntryError(mistakes)),
        }
    }
}

/// All that is wrong with an entry of crons.json.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct JobEntryError(Vec<String>);

impl JobEntryError {
    /// What is wrong, one key after the other.
    pub fn mistakes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn keep<T>(read: Result<T, String>, mistakes: &mut Vec<String>) -> Option<T> {
    read.map_err(|mistake| mistakes.push(mistake)).ok()
}

fn misspelt(entry: &Map<String, Value>) -> Vec<String> {
    let ours = |key: &String| KEYS.iter().find(|ours| key.eq_ignore_ascii_case(ours));
    let wrong = entry.keys().filter_map(|key| Some((key, *ours(key)?)));
    wrong
        .filter(|(key, ours)| key.as_str() != *ours)
        .map(|(key, ours)| format!("`{key}`: it is written `{ours}`"))
        .collect()
}

fn id(entry: &Map<String, Value>) -> Result<String, String> {
    match entry.get("id") {
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        other => Err(expected("id", "a text or a number", other)),
    }
}

fn time(entry: &Map<String, Value>) -> Result<Schedule, String> {
    match (entry.get("time"), entry.get("cron")) {
        (Some(time), None) => pomelo::schedule(time).map_err(|error| format!("`time`: {error}")),
        (None, Some(Value::String(cron))) => {
            Schedule::try_from(Cron(cron)).map_err(|error| format!("`cron`: {error}"))
        }
        (None, None) => Err(expected("time", "six fields or an object", None)),
        (None, other) => Err(expected("cron", "a text", other)),
        (Some(_), Some(_)) => Err("`cron`: there is `time` as well".to_owned()),
    }
}

fn text(entry: &Map<String, Value>, key: &str) -> Result<String, String> {
    match entry.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        other => Err(expected(key, "a text", other)),
    }
}

/// As in the original a server without a name is none.
fn server_id(entry: &Map<String, Value>) -> Result<Option<String>, String> {
    match entry.get("serverId").or(entry.get("server_id")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok((!text.is_empty()).then(|| text.clone())),
        other => Err(expected("serverId", "a server's id", other)),
    }
}

fn overlap(entry: &Map<String, Value>) -> Result<Overlap, String> {
    match entry.get("overlap") {
        None => Ok(Overlap::default()),
        Some(value) => match value.as_str() {
            Some("skip") => Ok(Overlap::Skip),
            Some("queue") => Ok(Overlap::Queue),
            Some("concurrent") => Ok(Overlap::Concurrent),
            _ => {
                let form = "`skip`, `queue` or `concurrent`";
                Err(expected("overlap", form, Some(value)))
            }
        },
    }
}

fn expected(key: &str, form: &str, found: Option<&Value>) -> String {
    match found {
        Some(found) => format!("`{key}`: expected {form}, found {found}"),
        None => format!("needs `{key}`: {form}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mistakes(entry: &Value) -> String {
        Job::from_pomelo(entry).unwrap_err().to_string()
    }

    #[test]
    fn ids_are_texts_and_may_be_written_as_numbers() {
        for (id, text) in [(json!(7), "7"), (json!("seven"), "seven"), (json!(0), "0")] {
            let entry = json!({ "id": id, "time": "* * * * * *", "action": "a.b" });
            let job = Job::from_pomelo(&entry).unwrap();
            assert_eq!((job.id(), job.server_id()), (text, None));
        }
    }

    #[test]
    fn a_job_may_be_bound_to_a_server_and_free_keys_are_left_alone() {
        let entry = json!({
            "id": 1, "time": { "period": 1000 }, "action": "a.b", "serverId": "chat-1",
            "overlap": "queue", "comment": "every second",
        });
        let job = Job::from_pomelo(&entry).unwrap();
        assert_eq!(job.server_id(), Some("chat-1"));
        assert_eq!(job.overlap, Overlap::Queue);
    }

    #[test]
    fn a_time_may_stand_in_crons_usual_form() {
        let entry = |time: Value| {
            let mut entry = json!({ "id": 1, "action": "a.b", "server_id": "chat-1" });
            entry
                .as_object_mut()
                .unwrap()
                .extend(time.as_object().unwrap().clone());
            entry
        };
        let job = Job::from_pomelo(&entry(json!({ "cron": "*/5 * * * *" }))).unwrap();
        assert_eq!(job.when.unwrap().to_string(), "*/5 * * * *");
        assert_eq!(job.server_id.as_deref(), Some("chat-1"));
        for (time, mistake) in [
            (json!({ "cron": "x" }), "`cron`: `x`: "),
            (json!({ "cron": 5 }), "`cron`: expected a text, found 5"),
            (
                json!({ "cron": "* * * * *", "time": {} }),
                "`cron`: there is `time` as well",
            ),
        ] {
            let mistakes = mistakes(&entry(time));
            assert!(mistakes.starts_with(mistake), "{mistakes}");
        }
    }

    #[test]
    fn all_mistakes_of_an_entry_are_told_at_once_key_by_key() {
        assert_eq!(
            mistakes(&json!({ "time": "* * *", "serverid": "x", "overlap": "no", "action": 3 })),
            "`serverid`: it is written `serverId`; needs `id`: a text or a number; \
             `time`: `* * *`: expected 6 fields (second, minute, hour, day of month, month, day of week), \
             found 3; `action`: expected a text, found 3; \
             `overlap`: expected `skip`, `queue` or `concurrent`, found \"no\""
        );
        for other in [json!(1), json!([]), json!("x"), Value::Null] {
            assert!(mistakes(&other).contains(&format!("found {other}")));
        }
    }
}
