//! From what is asked for to everything it says.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf, absolute},
    sync::Arc,
};

use serde_json::Value;

use super::{
    Config, Content, Rest, Server,
    changes::Changes,
    chapters::{self, Chapters},
    definitions,
    jobs::Job,
    node::FileName,
    notices::Notices,
    pomelo, read, servers, toml,
};
use crate::{
    Mistakes,
    outside::{Assignment, Variables},
};

/// Where the configuration is, if nobody says it.
const FOLDER: &str = "config";
const FILE: &str = "tangelo.toml";
/// The environment, if nobody says it.
const ENV: &str = "development";
/// More files than a folder has.
const FILES_OF_A_FOLDER: usize = 100;

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Asked<'a> {
    /// Folders and files, if they are named.
    pub(crate) places: &'a [PathBuf],
    /// Where they are looked for otherwise; if empty, in the working directory.
    pub(crate) beside: PathBuf,
    /// By the code, and by the command line.
    pub(crate) env: [Option<&'a str>; 2],
    pub(crate) variables: Option<&'a Variables>,
    /// Server, key and value.
    pub(crate) changes: &'a [(String, String, Value)],
    pub(crate) assignments: &'a [Assignment],
    /// Whether the application has krpc services, which have chapters of their own.
    pub(crate) krpc: bool,
}

/// What the configuration says.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    pub(crate) servers: Vec<Server>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) krpc: Krpc,
}

/// What is for krpc services.
#[derive(Clone, Debug, Default)]
pub(crate) struct Krpc {
    pub(crate) env: String,
    pub(crate) files: Vec<TomlFile>,
    pub(crate) rest: Rest,
}

/// A file that was read.
#[derive(Clone, Debug)]
pub(crate) struct TomlFile {
    pub(crate) number: usize,
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Reads everything. What is wrong stands in `mistakes`; there is nothing if a file cannot be read, as
/// what else is wrong cannot be told then.
pub(crate) fn load(asked: &Asked<'_>, mistakes: &mut Mistakes) -> Option<Loaded> {
    let mut changes = Changes::default();
    if let Some(variables) = asked.variables {
        changes.variables(variables, mistakes);
    }
    changes.code(asked.changes);
    changes.flags(asked.assignments);
    let [code, flag] = asked.env;
    let env = flag.or(changes.env.as_deref()).or(code).unwrap_or(ENV);
    let env = env.to_owned();
    if env.is_empty() || env.contains(['/', '\\', '.']) {
        mistakes.add(format!("`{env}` is no environment: expected a plain name"));
        return None;
    }
    let before = mistakes.len();
    let mut sources = Sources::new(env, asked.krpc);
    for place in places(asked, mistakes) {
        sources.read(&place, mistakes);
    }
    if sources.is_unreadable || (sources.is_empty() && mistakes.len() > before) {
        return None;
    }
    sources.finish(changes, mistakes)
}

/// Where the configuration is.
enum Place {
    Folder(PathBuf),
    File(PathBuf),
}

fn places(asked: &Asked<'_>, mistakes: &mut Mistakes) -> Vec<Place> {
    if asked.places.is_empty() {
        let (folder, file) = (asked.beside.join(FOLDER), asked.beside.join(FILE));
        let folder = folder.is_dir().then_some(Place::Folder(folder));
        let file = file.exists().then_some(Place::File(file));
        return folder.into_iter().chain(file).collect();
    }
    let mut places = Vec::new();
    for path in asked.places {
        if path.is_dir() {
            places.push(Place::Folder(path.clone()));
        } else if path.exists() {
            places.push(Place::File(path.clone()));
        } else {
            let (shown, looked) = (path.display(), absolute(path));
            let looked = looked.unwrap_or_else(|_| path.clone());
            let looked = looked.display();
            mistakes.add(format!("{shown}: is not there (looked for {looked})"));
        }
    }
    places
}

/// What was read so far.
struct Sources {
    env: String,
    krpc: bool,
    next_file: usize,
    notices: Notices,
    folder: Option<PathBuf>,
    files: Vec<TomlFile>,
    /// Of servers.json.
    servers: Option<Vec<super::draft::Draft>>,
    /// Of crons.json.
    jobs: Vec<Job>,
    pomelo: pomelo::Files,
    stamps: Vec<definitions::Stamp>,
    /// Of `tangelo.toml`.
    chapters: Chapters,
    is_unreadable: bool,
}

impl Sources {
    fn new(env: String, krpc: bool) -> Self {
        Self {
            env,
            krpc,
            next_file: 0,
            notices: Notices::default(),
            folder: None,
            files: Vec::new(),
            servers: None,
            jobs: Vec::new(),
            pomelo: pomelo::Files::default(),
            stamps: Vec::new(),
            chapters: Chapters::default(),
            is_unreadable: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.folder.is_none() && self.files.is_empty()
    }

    fn read(&mut self, place: &Place, mistakes: &mut Mistakes) {
        match place {
            Place::Folder(path) => self.folder(path, mistakes),
            Place::File(path) => {
                if self.file(path, mistakes).is_none() {
                    self.is_unreadable = true;
                }
            }
        }
    }

    fn folder(&mut self, path: &Path, mistakes: &mut Mistakes) {
        if let Some(other) = &self.folder {
            let (other, path) = (other.display(), path.display());
            let problem = "one folder is enough, and then files";
            mistakes.add(format!("{path}: there is {other} already: {problem}"));
            return;
        }
        self.folder = Some(path.to_path_buf());
        self.stamps = definitions::stamps(path.to_path_buf(), &self.env);
        let first_file = self.next_file;
        self.next_file += FILES_OF_A_FOLDER;
        let read = pomelo::read(path, &self.env, first_file, &mut self.notices, mistakes);
        self.is_unreadable |= read.is_unreadable;
        (self.servers, self.jobs, self.pomelo) = (read.servers, read.jobs, read.files);
        let inside = path.join(FILE);
        if inside.exists() {
            let inside = inside.display();
            let notice = format!("{inside} is not read: name it as well (--config {inside})");
            self.notices.add(notice);
        }
    }

    fn file(&mut self, path: &Path, mistakes: &mut Mistakes) -> Option<()> {
        let file = FileName {
            number: self.next_file,
            name: path.display().to_string(),
        };
        self.next_file += 1;
        let text = match read::text(path) {
            Ok(Some(text)) => text,
            Ok(None) => {
                mistakes.add(format!("{}: is not there any more", file.name));
                return None;
            }
            Err(problem) => {
                mistakes.add(format!("{}: {problem}", file.name));
                return None;
            }
        };
        let whole = toml::parse(&text, &file, mistakes)?;
        let chapters = chapters::read(&whole, &file, self.krpc, mistakes);
        self.check_env(&chapters, &file, mistakes);
        let chapters = chapters.in_env(&self.env);
        self.chapters = std::mem::take(&mut self.chapters).then(chapters);
        self.files.push(TomlFile {
            number: file.number,
            path: path.to_path_buf(),
            text,
        });
        Some(())
    }

    /// An environment that a file does not know is a slip, unless it is the default, or servers.json
    /// has it.
    fn check_env(&self, chapters: &Chapters, file: &FileName, mistakes: &mut Mistakes) {
        let envs: Vec<_> = chapters
            .envs
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let env = self.env.as_str();
        if envs.is_empty() || envs.contains(&env) || env == ENV || self.servers.is_some() {
            return;
        }
        let envs = envs.join(", ");
        mistakes.add(format!(
            "{}: there is no [env.{env}]; there are: {envs}",
            file.name
        ));
    }

    /// Puts everything together.
    fn finish(mut self, changes: Changes, mistakes: &mut Mistakes) -> Option<Loaded> {
        let Chapters {
            types,
            servers: of_toml,
            jobs,
            ..
        } = std::mem::take(&mut self.chapters);
        let is_without = self.servers.is_none() && of_toml.is_empty();
        let drafts = match self.servers.take() {
            Some(drafts) => {
                for draft in of_toml.iter().flat_map(|(_, drafts)| drafts) {
                    let problem = "there is a servers.json: have all servers in one of them";
                    let mistake = format!("{}: {problem}", draft.place);
                    mistakes.add_at(Some(&draft.at), mistake);
                }
                drafts
            }
            None => of_toml.into_iter().flat_map(|(_, drafts)| drafts).collect(),
        };
        if is_without {
            mistakes.add(self.nowhere());
            return None;
        }
        for (server_type, draft) in &types {
            if !drafts.iter().any(|one| one.server_type == *server_type) {
                let problem = format!("types.{server_type}: there are no servers of this type");
                mistakes.add_at(Some(&draft.at), problem);
            }
        }
        let (servers, rest) = servers::assemble(&types, drafts, changes, self.krpc, mistakes);
        if servers.is_empty() && mistakes.is_empty() {
            mistakes.add(self.nowhere());
            return None;
        }
        let jobs: BTreeMap<String, Vec<Job>> = jobs.into_iter().collect();
        self.jobs.extend(jobs.into_values().flatten());
        Some(self.loaded(servers, rest))
    }

    fn loaded(self, servers: Vec<Server>, rest: Rest) -> Loaded {
        let beside = self.files.first().and_then(|file| file.path.parent());
        let folder = self.folder.as_deref().or(beside);
        let folder = folder.unwrap_or(Path::new("")).to_path_buf();
        let instances = servers.iter().map(|server| server.instance.clone());
        let content = Content {
            env: self.env.clone(),
            folder,
            servers: instances.collect(),
            files: self.pomelo,
            has_folder: self.folder.is_some(),
            stamps: self.stamps,
            notices: self.notices.finish(),
        };
        Loaded {
            config: Config(Arc::new(content)),
            servers,
            jobs: self.jobs,
            krpc: Krpc {
                env: self.env,
                files: self.files,
                rest,
            },
        }
    }

    /// Where servers were looked for.
    fn nowhere(&self) -> String {
        let here = |path: &Path| {
            let path = absolute(path).unwrap_or_else(|_| path.to_path_buf());
            path.display().to_string()
        };
        let mut looked = Vec::new();
        if let Some(folder) = &self.folder {
            looked.push(here(&folder.join("servers.json")));
            looked.push(here(&folder.join(&self.env).join("servers.json")));
        }
        let files = self.files.iter();
        looked.extend(files.map(|file| format!("[servers.<type>] in {}", here(&file.path))));
        if looked.is_empty() {
            looked.push(here(&Path::new(FOLDER).join("servers.json")));
            looked.push(here(Path::new(FILE)));
        }
        format!("there are no servers; looked for {}", looked.join(", "))
    }
}
