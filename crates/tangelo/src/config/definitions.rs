//! The files of Pomelo's folder that clients are told of, read again while servers run.

use std::{fs, path::PathBuf, time::SystemTime};

use parking_lot::Mutex;
use tangelo_server::{ClientDefinitions, Error};
use tracing::warn;

use super::{Config, Folder, Protos, notices::Notices, pomelo};
use crate::Mistakes;

const FILES: [&str; 3] = ["dictionary.json", "serverProtos.json", "clientProtos.json"];

/// What tells that a file has changed; none if it is not there.
pub(super) type Stamp = Option<(SystemTime, u64)>;

impl Config {
    /// What these files say of how clients write routes and bodies, added to what the code says.
    pub(crate) fn define(&self, code: ClientDefinitions) -> ClientDefinitions {
        add(code, self.dictionary(), self.protos())
    }

    /// The same again whenever one of the files has changed. None if there is no folder of Pomelo's.
    pub(crate) fn defined_anew(
        &self,
        code: ClientDefinitions,
    ) -> Option<impl Fn() -> Result<Option<ClientDefinitions>, Error> + Send + Sync + use<>> {
        if !self.0.has_folder {
            return None;
        }
        let config = self.clone();
        let seen = Mutex::new(self.0.stamps.clone());
        Some(move || {
            let stamps = config.stamps();
            if *seen.lock() == stamps {
                return Ok(None);
            }
            *seen.lock() = stamps;
            config.reread(code.clone()).map(Some)
        })
    }

    fn reread(&self, code: ClientDefinitions) -> Result<ClientDefinitions, Error> {
        let (mut notices, mut mistakes) = (Notices::default(), Mistakes::default());
        let mut folder = Folder::new(self.folder(), self.env(), 0, &mut notices, &mut mistakes);
        let (dictionary, protos) = pomelo::definitions(&mut folder);
        if !mistakes.is_empty() {
            return Err(mistakes.into());
        }
        for notice in notices.finish() {
            warn!("{notice}");
        }
        Ok(add(code, &dictionary, &protos))
    }

    fn stamps(&self) -> Vec<Stamp> {
        stamps(self.folder().to_path_buf(), self.env())
    }
}

/// Of each file that may be one of these.
pub(super) fn stamps(folder: PathBuf, env: &str) -> Vec<Stamp> {
    let of_env = folder.join(env);
    let files = [folder, of_env].into_iter();
    let files = files.flat_map(|folder| FILES.map(|name| folder.join(name)));
    let stamp = |file| {
        let about = fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files.map(stamp).collect()
}

fn add(
    mut definitions: ClientDefinitions,
    dictionary: &[String],
    protos: &Protos,
) -> ClientDefinitions {
    if !dictionary.is_empty() {
        definitions = definitions.dictionary(dictionary);
    }
    if protos.client_js.is_some() || protos.server_js.is_some() {
        let text = |json: &Option<String>| json.clone().unwrap_or_else(|| "{}".to_owned());
        return definitions.decode_io_protos(&text(&protos.client_js), &text(&protos.server_js));
    }
    let Protos { client, server, .. } = protos;
    definitions.proto_messages(client.iter().cloned(), server.iter().cloned())
}
