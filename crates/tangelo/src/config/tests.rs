mod changes;
mod chapters;
mod places;
mod pomelo;
mod servers;

use super::{Asked, Loaded, load};
use crate::{Mistakes, test_folder::Folder};

/// What the files of a folder say.
fn said(asked: &Asked<'_>) -> Result<Loaded, Mistakes> {
    let mut mistakes = Mistakes::default();
    match load(asked, &mut mistakes) {
        Some(loaded) if mistakes.is_empty() => Ok(loaded),
        _ => {
            mistakes.sort();
            Err(mistakes)
        }
    }
}

#[track_caller]
fn loaded(asked: &Asked<'_>) -> Loaded {
    said(asked).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// The mistakes; paths in them begin in the folder.
#[track_caller]
fn mistakes(folder: &Folder, asked: &Asked<'_>) -> Vec<String> {
    let Err(mistakes) = said(asked) else {
        panic!("nothing is wrong");
    };
    let inside = format!("{}/", folder.0.display());
    let mistakes = mistakes.iter();
    mistakes
        .map(|mistake| mistake.replace(&inside, ""))
        .collect()
}

/// The servers of servers.json.
#[track_caller]
fn servers_json(text: &str) -> Loaded {
    let folder = Folder::with(&[("servers.json", text)]);
    loaded(&Asked {
        places: std::slice::from_ref(&folder.0),
        ..Asked::default()
    })
}

#[track_caller]
fn wrong_servers_json(text: &str) -> Vec<String> {
    let folder = Folder::with(&[("servers.json", text)]);
    let places = std::slice::from_ref(&folder.0);
    mistakes(
        &folder,
        &Asked {
            places,
            ..Asked::default()
        },
    )
}

/// What `tangelo.toml` says.
#[track_caller]
fn toml(text: &str) -> Loaded {
    toml_in("development", text)
}

#[track_caller]
fn toml_in(env: &str, text: &str) -> Loaded {
    let folder = Folder::with(&[("tangelo.toml", text)]);
    loaded(&Asked {
        places: &[folder.path("tangelo.toml")],
        env: [None, Some(env)],
        ..Asked::default()
    })
}

#[track_caller]
fn wrong_toml(text: &str) -> Vec<String> {
    let folder = Folder::with(&[("tangelo.toml", text)]);
    let places = &[folder.path("tangelo.toml")];
    mistakes(
        &folder,
        &Asked {
            places,
            ..Asked::default()
        },
    )
}

/// Ids and ports.
fn ports(loaded: &Loaded) -> Vec<(&str, Option<u16>)> {
    let servers = loaded.servers.iter();
    servers
        .map(|server| (server.instance.id.as_str(), server.instance.port))
        .collect()
}
