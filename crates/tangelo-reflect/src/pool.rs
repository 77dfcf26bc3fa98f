//! The services that are known at run time, from sets of descriptors.

mod builtin;
mod error;
mod file;
pub(crate) mod line;
mod service;
mod sound;

use std::{
    collections::{BTreeMap, HashSet, btree_map::Entry},
    fs,
    io::Read,
    path::Path,
};

use prost_reflect::{DescriptorError, DescriptorPool};

pub use self::{
    error::{LoadError, LoadErrors},
    service::{MethodInfo, ServiceInfo},
};
use self::{file::File, service::Problem};

/// Bytes of the longest set that is read.
pub const MAX_SET: usize = 8 << 20;
/// Files in a pool, at the most.
pub const MAX_FILES: usize = 2048;
/// The lowest number that an application's service may have; those below are krpc's and Tangelo's.
pub const FIRST_APPLICATION_ID: i32 = 100;

/// The lowest number of a service: 1 is the heartbeat.
const FIRST_ID: i32 = 2;

/// Services that are known at run time.
///
/// A set is what `tangelo descriptor` or `protoc --descriptor_set_out` writes, with imports or without.
/// `krpcext.proto`, `descriptor.proto`, `google/api/annotations.proto` and Google's well-known types are here already, and a set's own
/// copies of them are left out. What else a file imports must be in its set, in one before it, or in the same directory.
///
/// What cannot be loaded is told and left out; the rest is there.
#[derive(Clone, Debug)]
pub struct Pool {
    descriptors: DescriptorPool,
    /// What has been linked, each after those it imports.
    files: Vec<File>,
    services: BTreeMap<i32, ServiceInfo>,
    /// What was compiled together with services, and is not linked.
    rest: Vec<File>,
    /// The lowest number a service may have.
    first: i32,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

impl Pool {
    /// A pool without services.
    pub fn new() -> Self {
        Self {
            descriptors: builtin::pool(),
            files: Vec::new(),
            services: BTreeMap::new(),
            rest: Vec::new(),
            first: FIRST_ID,
        }
    }

    /// A pool without services that takes none with a number below `first`.
    #[cfg(feature = "compile")]
    pub(crate) fn from_number(first: i32) -> Self {
        Self {
            first,
            ..Self::new()
        }
    }

    /// Adds the services of .proto files that were compiled just now; `path` tells where a file lies.
    #[cfg(feature = "compile")]
    pub(crate) fn add_compiled(
        &mut self,
        set: &[u8],
        path: impl Fn(&str) -> Option<String>,
    ) -> Result<(), LoadErrors> {
        let files = file::split("", set);
        let mut files =
            files.or_else(|error| LoadErrors::check(vec![error]).map(|()| Vec::new()))?;
        for file in &mut files {
            if let Some(path) = path(&file.name) {
                file.set = path.into();
            }
        }
        self.add(files, Vec::new())
    }

    /// Adds the services of a serialized `google.protobuf.FileDescriptorSet`.
    ///
    /// `name` is said in errors: the path of the set. If it is empty, the .proto files are named alone.
    ///
    /// # Errors
    /// No set of descriptors, more than [`MAX_SET`] bytes, a file that cannot be linked or is another than
    /// the one of its name, a service without its numbers or with another's. The rest of the set is added.
    pub fn add_set(&mut self, name: &str, bytes: &[u8]) -> Result<(), LoadErrors> {
        match file::split(name, bytes) {
            Ok(files) => self.add(files, Vec::new()),
            Err(error) => LoadErrors::check(vec![error]),
        }
    }

    /// Adds a service of a set, by its name without the package, and what its file imports. What was compiled together with
    /// it is there for others to import, and otherwise waits for [`add_rest`](Self::add_rest).
    ///
    /// # Errors
    /// As [`Pool::add_set`].
    pub fn add_service(
        &mut self,
        name: &str,
        bytes: &[u8],
        service: &str,
    ) -> Result<(), LoadErrors> {
        match file::split(name, bytes) {
            Ok(files) => {
                let (needed, rest) = needed(files, service);
                self.rest
                    .extend(rest.into_iter().filter(|file| !builtin::is_copy(file)));
                self.add(needed, Vec::new())
            }
            Err(error) => LoadErrors::check(vec![error]),
        }
    }

    /// Adds what was compiled together with services and nobody else has brought: files of other names, as far as they can
    /// be linked.
    pub fn add_rest(&mut self) {
        let mut files: Vec<File> = Vec::new();
        for file in std::mem::take(&mut self.rest) {
            if !self.has(&file.name) && files.iter().all(|other| other.name != file.name) {
                files.push(file);
            }
        }
        let before = self.files.len();
        // What does not fit gives way to what is there.
        let mut ignored = Vec::new();
        self.link_all(files, &mut ignored);
        self.read_services(before, &mut ignored);
    }

    /// Adds each `*.proto.pb` that lies directly in a directory; they may import each other.
    ///
    /// Blocks while it reads.
    ///
    /// # Errors
    /// A directory that cannot be read, and as [`Pool::add_set`] for each file. The rest is added.
    pub fn load_dir(&mut self, dir: impl AsRef<Path>) -> Result<(), LoadErrors> {
        let dir = dir.as_ref();
        let (mut files, mut errors) = (Vec::new(), Vec::new());
        let io = |path: &Path, source| LoadError::Io {
            place: path.display().to_string(),
            source,
        };
        let mut paths = Vec::new();
        match fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => paths.extend(entries.into_iter().map(|entry| entry.path())),
            Err(source) => errors.push(io(dir, source)),
        }
        paths.retain(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.ends_with(".proto.pb"))
        });
        // Which of two definitions is the first does not depend on the file system.
        paths.sort();
        for path in paths {
            match read(&path) {
                Ok(bytes) => match file::split(&path.display().to_string(), &bytes) {
                    Ok(split) => files.extend(split),
                    Err(error) => errors.push(error),
                },
                Err(source) => errors.push(io(&path, source)),
            }
        }
        self.add(files, errors)
    }

    /// The service with this number.
    pub fn service(&self, id: i32) -> Option<&ServiceInfo> {
        self.services.get(&id)
    }

    /// The service of this name, as written in the .proto file.
    ///
    /// With the package, or without it where no other service is called the same.
    pub fn service_by_name(&self, name: &str) -> Option<&ServiceInfo> {
        let full = self.services().find(|service| service.full_name == name);
        full.or_else(|| {
            let mut short = self.services().filter(|service| service.name == name);
            short.next().filter(|_| short.next().is_none())
        })
    }

    /// The services, in the order of their numbers.
    pub fn services(&self) -> impl Iterator<Item = &ServiceInfo> {
        self.services.values()
    }

    fn add(&mut self, files: Vec<File>, mut errors: Vec<LoadError>) -> Result<(), LoadErrors> {
        let before = self.files.len();
        let waiting = self.unknown(files, &mut errors);
        self.link_all(waiting, &mut errors);
        self.read_services(before, &mut errors);
        LoadErrors::check(errors)
    }

    /// Those that are not here yet, each once.
    fn unknown(&self, files: Vec<File>, errors: &mut Vec<LoadError>) -> Vec<File> {
        let mut unknown: Vec<File> = Vec::new();
        for file in files.into_iter().filter(|file| !builtin::is_copy(file)) {
            let mut known = self.files.iter().chain(&unknown);
            match known.find(|known| known.name == file.name) {
                None => unknown.push(file),
                Some(known) if known.same(&file) => {}
                Some(known) => errors.push(LoadError::File {
                    place: file.place(),
                    problem: format!(
                        "another {name} than that of {}: files of one name are one file; compile both from a folder above, so that their names differ (shop/{name}), or write both sets again",
                        known.place(),
                        name = file.name
                    ),
                }),
            }
        }
        unknown
    }

    /// Links each file when those it imports are linked.
    fn link_all(&mut self, mut waiting: Vec<File>, errors: &mut Vec<LoadError>) {
        let mut names: HashSet<String> = waiting.iter().map(|file| file.name.clone()).collect();
        let mut at = 0;
        while let Some(file) = waiting.get(at) {
            at += 1;
            for import in file.imports.clone() {
                let rest = self.rest.iter().find(|rest| rest.name == import);
                if let Some(rest) =
                    rest.filter(|_| !self.has(&import) && names.insert(import.clone()))
                {
                    waiting.push(rest.clone());
                }
            }
        }
        let missing: Vec<&String> = waiting.iter().flat_map(|file| &file.imports).collect();
        let stand_ins: Vec<File> = missing
            .into_iter()
            .filter(|import| !self.has(import) && names.insert((*import).clone()))
            .filter_map(|import| builtin::stand_in(import))
            .collect();
        waiting.extend(stand_ins);

        loop {
            let (ready, later): (Vec<File>, Vec<File>) = waiting
                .into_iter()
                .partition(|file| file.imports.iter().all(|import| self.has(import)));
            waiting = later;
            if ready.is_empty() {
                break;
            }
            for file in ready {
                if let Err(problem) = self.link(&file) {
                    let place = file.place();
                    errors.push(LoadError::File { place, problem });
                }
            }
        }
        for file in &waiting {
            let missing = file.imports.iter().find(|import| !self.has(import));
            let import = missing.map_or("", String::as_str);
            errors.push(LoadError::File {
                place: file.place(),
                problem: format!(
                    "imports {import:?}, which is not there or not right: add its set too, or write this one with `--include-imports`"
                ),
            });
        }
    }

    fn has(&self, file: &str) -> bool {
        self.descriptors.get_file_by_name(file).is_some()
    }

    fn link(&mut self, file: &File) -> Result<(), String> {
        if self.files.len() >= MAX_FILES {
            return Err(format!("more than {MAX_FILES} files"));
        }
        // The linker cannot say it: it panics.
        if !matches!(&*file.syntax, "" | "proto2" | "proto3") {
            let syntax = &file.syntax;
            return Err(format!(
                "has syntax {syntax:?}; only proto2 and proto3 are known"
            ));
        }
        let extensions = self.descriptors.all_extensions().len();
        let linked = self
            .descriptors
            .decode_file_descriptor_proto(file.bytes.clone())
            .map_err(|error| words(&error))
            .and_then(|()| sound::maps(&self.descriptors, &file.name))
            .and_then(|()| {
                if self.descriptors.all_extensions().len() == extensions {
                    return Ok(());
                }
                sound::options(&self.descriptors, self.files.iter().chain([file]))
            });
        match linked {
            Ok(()) => self.files.push(file.clone()),
            // The linker's own way back leaves extensions behind.
            Err(_) => self.link_again(),
        }
        linked
    }

    /// Links what has been linked, and nothing else.
    fn link_again(&mut self) {
        let mut descriptors = builtin::pool();
        self.files.retain(|file| {
            let bytes = file.bytes.clone();
            descriptors.decode_file_descriptor_proto(bytes).is_ok()
        });
        self.descriptors = descriptors;
    }

    /// All services by what is linked now; tells what is wrong with those of the files from `new` on.
    fn read_services(&mut self, new: usize, errors: &mut Vec<LoadError>) {
        let mut services = BTreeMap::new();
        for descriptor in self.descriptors.services() {
            let file = descriptor.parent_file();
            let at = self
                .files
                .iter()
                .position(|known| known.name == file.name());
            let Some((at, file)) = at.and_then(|at| Some((at, self.files.get(at)?))) else {
                continue;
            };
            let mut wrong = |name: String, line: Option<i32>, problem: String| {
                if at >= new {
                    let place = line::at(file.place(), line);
                    errors.push(LoadError::Definition {
                        place,
                        name,
                        problem,
                    });
                }
            };
            match service::read(&descriptor, self.first) {
                Ok(info) => match services.entry(info.id) {
                    Entry::Vacant(free) => {
                        free.insert((info, file, descriptor));
                    }
                    Entry::Occupied(taken) => {
                        let (other, file, other_descriptor) = taken.get();
                        let problem = format!(
                            "has number {}, which {} of {} has already",
                            info.id,
                            other.full_name,
                            line::at(file.place(), service::number_line(other_descriptor))
                        );
                        wrong(info.full_name, service::number_line(&descriptor), problem);
                    }
                },
                Err(problems) => {
                    for Problem {
                        name,
                        line,
                        problem,
                    } in problems
                    {
                        wrong(name, line, problem);
                    }
                }
            }
        }
        let services = services.into_iter().map(|(id, (info, ..))| (id, info));
        self.services = services.collect();
    }
}

/// The files that define a service with those that they import, and the rest. If none does, all are needed.
fn needed(files: Vec<File>, service: &str) -> (Vec<File>, Vec<File>) {
    let defines = |file: &&File| file.services.iter().any(|name| name == service);
    let defining = files.iter().filter(defines);
    let mut names: Vec<String> = defining.map(|file| file.name.clone()).collect();
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        at += 1;
        let imports = files.iter().filter(|file| file.name == name);
        for import in imports.flat_map(|file| &file.imports) {
            if !names.contains(import) {
                names.push(import.clone());
            }
        }
    }
    let is_needed = |file: &File| names.is_empty() || names.contains(&file.name);
    files.into_iter().partition(is_needed)
}

/// A file's bytes, and one more at the most than a set may have.
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = MAX_SET as u64 + 1;
    fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The linker's error with its cause.
fn words(error: &DescriptorError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
