//! Whether the templates are there that urls name.

use super::at;
use crate::{
    plugin::template::ATTRIBUTE,
    route::{Router, Url},
    serve::{Place, look},
};

/// Tells of urls whose template is not there.
///
/// Blocks while it looks for them.
pub(super) fn check(router: &Router, mistakes: &mut Vec<String>) {
    for url in router.urls() {
        let Some(name) = url.attribute(ATTRIBUTE) else {
            continue;
        };
        if let Err(problem) = look_for(router, url, name) {
            let words = format!("url {}: {ATTRIBUTE}: {problem}", url.path);
            mistakes.push(at(url.place.as_ref(), &words));
        }
    }
}

fn look_for(router: &Router, url: &Url, name: &str) -> Result<(), String> {
    // As a request has it.
    let path = url.path.replace('%', "%25");
    let hosts = url.hosts.iter().map(|host| Some(host.as_str()));
    let hosts: Vec<_> = match url.hosts.as_slice() {
        [] => vec![None],
        _ => hosts.collect(),
    };
    for host in hosts {
        let Some(folder) = router.template_dir(host, &path) else {
            return Err("there is no dir with a templateDir for this path".to_owned());
        };
        let found = look(folder, name);
        if !matches!(found, Ok(Place::File(_))) {
            let folder = folder.display();
            return Err(format!("there is no file {name} in {folder}"));
        }
    }
    Ok(())
}
