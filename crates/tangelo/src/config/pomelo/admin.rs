//! adminUser.json, adminServer.json.

use std::fmt;

use super::{
    folder::{Folder, Found},
    number,
};
use crate::config::node::Node;

const USERS: &str = "adminUser.json";
const SERVERS: &str = "adminServer.json";
const NO_CONSOLE: &str = "there is no admin console yet";
/// The users of Pomelo's template, whose passwords are their names.
const OF_THE_TEMPLATE: [&str; 3] = ["admin", "monitor", "test"];

/// Somebody who may use the admin console.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminUser {
    /// Its id.
    pub id: String,
    /// Its name.
    pub username: String,
    /// Its password, as the file has it.
    pub password: String,
    /// 1 may do everything, 2 may look.
    pub level: u32,
}

/// What servers of a type show the master.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminServer {
    /// Their type.
    pub server_type: String,
    /// What they show.
    pub token: String,
}

pub(super) fn users(folder: &mut Folder<'_>) -> Vec<AdminUser> {
    let all = list(folder, USERS, |folder, found, node| {
        let text = |key: &str| Some(node.get(key)?.text()?.to_owned());
        let level = node.get("level").and_then(number);
        let level = level.and_then(|level| u32::try_from(level).ok());
        match (text("id"), text("username"), text("password"), level) {
            (Some(id), Some(username), Some(password), Some(level)) => Some(AdminUser {
                id,
                username,
                password,
                level,
            }),
            _ => {
                let form = "expected a user: `id`, `username`, `password`, `level`";
                folder.odd(found, node, form);
                None
            }
        }
    });
    let all = all.unwrap_or_default();
    let known = all.iter().filter(|user| user.has_known_password());
    let known: Vec<_> = known.map(|user| user.username.as_str()).collect();
    if !known.is_empty() {
        let notice = format!(
            "{USERS}: everybody knows the passwords of {}: change them",
            known.join(", ")
        );
        folder.notices.add(notice);
    }
    all
}

/// None where there is no such file: Pomelo accepts every server then.
pub(super) fn servers(folder: &mut Folder<'_>) -> Option<Vec<AdminServer>> {
    list(folder, SERVERS, |folder, found, node| {
        let text = |key: &str| Some(node.get(key)?.text()?.to_owned());
        match (text("type"), text("token")) {
            (Some(server_type), Some(token)) => Some(AdminServer { server_type, token }),
            _ => {
                folder.odd(found, node, "expected `type` and `token`");
                None
            }
        }
    })
}

/// The elements of a file's list.
fn list<T>(
    folder: &mut Folder<'_>,
    name: &str,
    one: impl Fn(&mut Folder<'_>, &Found, &Node) -> Option<T>,
) -> Option<Vec<T>> {
    let found = folder.find(name)?;
    if !found.node.is_empty() {
        folder.has_no_effect(name, NO_CONSOLE);
    }
    let Some(list) = found.node.list() else {
        folder.odd(&found, &found.node, "expected a list");
        return Some(Vec::new());
    };
    let all = list.iter().filter_map(|node| one(folder, &found, node));
    Some(all.collect())
}

impl AdminUser {
    /// Whether the password is the one of Pomelo's template.
    pub fn has_known_password(&self) -> bool {
        self.username == self.password && OF_THE_TEMPLATE.contains(&self.username.as_str())
    }
}

/// Without the password.
impl fmt::Debug for AdminUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AdminUser")
            .field("id", &self.id)
            .field("username", &self.username)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// Without the token.
impl fmt::Debug for AdminServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AdminServer")
            .field("server_type", &self.server_type)
            .finish_non_exhaustive()
    }
}
