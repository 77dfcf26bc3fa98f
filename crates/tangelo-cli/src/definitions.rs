//! The services that the files at hand define.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use tangelo_reflect::{MethodInfo, Pool, ServiceInfo, compile::compile};

use crate::listing;

/// Looked in when no other place is named.
const DIRECTORIES: [&str; 2] = [".", "proto"];
/// What lies beside krpc's definitions and defines nothing.
const OPTIONS: [&str; 2] = ["krpcext.proto", "descriptor.proto"];

/// Where services are defined.
#[derive(Clone, clap::Args)]
pub(crate) struct Sources {
    /// Where services are defined: a .proto file, a descriptor set (.proto.pb), or a directory of them; may be repeated.
    /// Default: the directory it is run in, and `proto` in there.
    #[arg(long, value_name = "PATH")]
    proto: Vec<PathBuf>,
    /// A directory to look for imports of .proto files in, before their own; may be repeated.
    #[arg(short = 'I', long = "include", value_name = "DIR")]
    includes: Vec<PathBuf>,
}

impl Sources {
    /// The same, and these.
    pub(crate) fn and(mut self, paths: &[PathBuf]) -> Self {
        self.proto.extend_from_slice(paths);
        self
    }
}

/// What is known, and why the rest is not.
pub(crate) struct Definitions {
    pub(crate) pool: Pool,
    problems: Vec<String>,
}

impl Definitions {
    /// Reads the files. One that was named must be right; of a directory the rest counts.
    pub(crate) fn load(sources: &Sources) -> Result<Self, String> {
        let mut definitions = Self {
            pool: Pool::new(),
            problems: Vec::new(),
        };
        for path in &sources.proto {
            if path.is_dir() {
                definitions.add_directory(path, &sources.includes);
            } else {
                definitions.add_file(path, &sources.includes)?;
            }
        }
        if sources.proto.is_empty() {
            for directory in DIRECTORIES.map(Path::new) {
                if directory.is_dir() {
                    definitions.add_directory(directory, &sources.includes);
                }
            }
        }
        Ok(definitions)
    }

    fn add_file(&mut self, path: &Path, includes: &[PathBuf]) -> Result<(), String> {
        let shown = path.display().to_string();
        let (name, set) = if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            let compiled = compile(&[path], includes).map_err(|error| error.to_string());
            // Its errors name the .proto files.
            (String::new(), compiled?.descriptor_set(true))
        } else {
            let set = fs::read(path).map_err(|error| format!("{shown}: {error}"));
            (shown, set?)
        };
        let added = self.pool.add_set(&name, &set);
        added.map_err(|errors| errors.to_string())
    }

    /// Adds the files that lie in a directory, sources before sets: those may be older.
    fn add_directory(&mut self, directory: &Path, includes: &[PathBuf]) {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut sources: Vec<_> = entries.map(|entry| entry.path()).collect();
        sources.retain(|path| {
            let is_options = OPTIONS.iter().any(|name| path.ends_with(name));
            path.extension()
                .is_some_and(|extension| extension == "proto")
                && !is_options
        });
        sources.sort();
        for path in sources {
            let added = self.add_file(&path, includes);
            self.problems.extend(added.err());
        }
        let sets = self.pool.load_dir(directory);
        self.problems
            .extend(sets.err().map(|errors| errors.to_string()));
    }

    /// The method of this name: `Service.method`, `package.Service.method`, with numbers for names if one likes.
    pub(crate) fn method(&self, name: &str) -> Result<(&ServiceInfo, &MethodInfo), String> {
        let Some((service, method)) = name.rsplit_once('.') else {
            return Err(format!(
                "`{name}`: expected a service and its method, as UserService.login or 100.1"
            ));
        };
        let by_number = |text: &str| text.parse().ok();
        let found = self.pool.service_by_name(service);
        let found = found.or_else(|| self.pool.service(by_number(service)?));
        let service = found.ok_or_else(|| self.without(service))?;
        let found = service.method_by_name(method);
        let found = found.or_else(|| service.method(by_number(method)?));
        let method = found.ok_or_else(|| {
            let methods = service.methods.iter();
            let methods = methods.map(|method| format!("\n{:>8} {}", method.id, method.name));
            format!(
                "{} has no method `{method}`; there are:{}",
                service.full_name,
                methods.collect::<String>()
            )
        })?;
        Ok((service, method))
    }

    /// What to say where there is no such service.
    fn without(&self, service: &str) -> String {
        let known = listing::services(&self.pool);
        let mut text = if known.is_empty() {
            format!("there is no service `{service}`, nor any other: name its file with --proto")
        } else {
            format!("there is no service `{service}`; there are:\n{known}")
        };
        for problem in &self.problems {
            let _ = write!(text, "\n{problem}");
        }
        text
    }

    /// All services; what is wrong with the files if there are none.
    pub(crate) fn listing(&self) -> Result<String, String> {
        let known = listing::services(&self.pool);
        if known.is_empty() {
            let nothing = "no services are defined here: name their files with --proto";
            let lines = std::iter::once(nothing).chain(self.problems.iter().map(String::as_str));
            return Err(lines.collect::<Vec<_>>().join("\n"));
        }
        Ok(known)
    }
}
