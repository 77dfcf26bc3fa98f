//! Where the configuration is.

use std::fs;

use super::*;

const ONE: &str = r#"{"chat": [{"id": "chat-1", "port": 1}]}"#;
const OTHER: &str = r#"{"chat": [{"id": "chat-1", "port": 2}]}"#;

#[test]
fn a_file_may_lie_in_the_folder_of_the_environment() {
    let folder = Folder::with(&[
        ("production/servers.json", ONE),
        (
            "production/master.json",
            r#"{"id": "m", "host": "h", "port": 3005}"#,
        ),
        ("test/servers.json", OTHER),
    ]);
    let places = std::slice::from_ref(&folder.0);
    for (env, port) in [("production", 1), ("test", 2)] {
        let loaded = loaded(&Asked {
            places,
            env: [None, Some(env)],
            ..Asked::default()
        });
        assert_eq!(ports(&loaded), [("chat-1", Some(port))]);
        assert_eq!(loaded.config.env(), env);
        assert_eq!(loaded.config.master().is_some(), env == "production");
    }
}

#[test]
fn the_file_in_the_folder_goes_before_that_of_the_environment_and_it_is_told() {
    let folder = Folder::with(&[("servers.json", ONE), ("development/servers.json", OTHER)]);
    let places = std::slice::from_ref(&folder.0);
    let loaded = loaded(&Asked {
        places,
        ..Asked::default()
    });
    assert_eq!(ports(&loaded), [("chat-1", Some(1))]);
    let [notice] = loaded.config.notices() else {
        panic!("one notice")
    };
    assert!(
        notice.contains("development/servers.json is not read"),
        "{notice}"
    );
}

#[test]
fn the_code_names_an_environment_a_variable_another_and_the_command_line_has_the_last_word() {
    let folder = Folder::with(&[("servers.json", ONE)]);
    let places = std::slice::from_ref(&folder.0);
    let variables = [("TANGELO__ENV".to_owned(), "b".to_owned())];
    let variables = crate::outside::Variables::among(variables.into_iter());
    let env = |asked: &Asked<'_>| loaded(asked).config.env().to_owned();
    let mut asked = Asked {
        places,
        ..Asked::default()
    };
    assert_eq!(env(&asked), "development");
    asked.env = [Some("a"), None];
    assert_eq!(env(&asked), "a");
    asked.variables = Some(&variables);
    assert_eq!(env(&asked), "b");
    asked.env = [Some("a"), Some("c")];
    assert_eq!(env(&asked), "c");
}

#[test]
fn an_environment_is_a_plain_name() {
    let folder = Folder::with(&[("servers.json", ONE)]);
    for env in ["", "../production", "a.b"] {
        let told = mistakes(
            &folder,
            &Asked {
                places: std::slice::from_ref(&folder.0),
                env: [None, Some(env)],
                ..Asked::default()
            },
        );
        let expected = format!("`{env}` is no environment: expected a plain name");
        assert_eq!(told, [expected]);
    }
}

#[test]
fn a_place_that_is_not_there_says_where_it_was_looked_for() {
    let folder = Folder::with(&[]);
    for place in ["config", "tangelo.toml"] {
        let told = mistakes(
            &folder,
            &Asked {
                places: &[folder.path(place)],
                ..Asked::default()
            },
        );
        let at = folder.path(place);
        let [told] = &told[..] else {
            panic!("{told:?}")
        };
        assert!(
            told.starts_with(&format!("{place}: is not there (looked for ")),
            "{told} {at:?}"
        );
    }
}

#[test]
fn a_configuration_without_servers_says_where_they_were_looked_for() {
    let folder = Folder::with(&[("master.json", "{}"), ("tangelo.toml", "")]);
    let places = [folder.0.clone(), folder.path("tangelo.toml")];
    let told = mistakes(
        &folder,
        &Asked {
            places: &places,
            ..Asked::default()
        },
    );
    assert_eq!(
        told,
        [
            "there are no servers; looked for servers.json, development/servers.json, \
          [servers.<type>] in tangelo.toml"
        ]
    );
}

#[test]
fn servers_of_a_folder_are_tuned_by_a_file() {
    let folder = Folder::with(&[
        ("servers.json", ONE),
        (
            "tangelo.toml",
            "[types.chat]\ndeadline = 500\nport = 9\nsettings = { a = 1 }\n",
        ),
    ]);
    let places = [folder.0.clone(), folder.path("tangelo.toml")];
    let loaded = loaded(&Asked {
        places: &places,
        ..Asked::default()
    });
    assert_eq!(
        ports(&loaded),
        [("chat-1", Some(1))],
        "what a server says goes first"
    );
    let deadline = loaded.servers[0].tuning.deadline;
    assert_eq!(deadline, Some(std::time::Duration::from_millis(500)));
    assert_eq!(loaded.servers[0].instance.settings["a"], 1);
}

#[test]
fn servers_stand_in_the_folder_or_in_the_file_and_not_in_both() {
    let folder = Folder::with(&[
        ("servers.json", ONE),
        ("tangelo.toml", "\n[servers.area]\nid = \"area-1\"\n"),
    ]);
    let places = [folder.0.clone(), folder.path("tangelo.toml")];
    let told = mistakes(
        &folder,
        &Asked {
            places: &places,
            ..Asked::default()
        },
    );
    assert_eq!(
        told,
        ["tangelo.toml:2: servers.area: there is a servers.json: have all servers in one of them"]
    );
}

#[test]
fn a_file_in_the_folder_that_nobody_named_is_told() {
    let folder = Folder::with(&[("servers.json", ONE), ("tangelo.toml", "")]);
    let places = std::slice::from_ref(&folder.0);
    let loaded = loaded(&Asked {
        places,
        ..Asked::default()
    });
    assert!(loaded.config.notices()[0].contains("tangelo.toml is not read"));
}

#[test]
fn what_nobody_names_is_a_folder_config_and_a_file_beside_it_if_they_are_there() {
    let folder = Folder::with(&[]);
    let asked = || Asked {
        beside: folder.0.clone(),
        ..Asked::default()
    };
    let told = mistakes(&folder, &asked());
    assert!(
        told[0].starts_with("there are no servers; looked for "),
        "{told:?}"
    );
    fs::write(
        folder.path("tangelo.toml"),
        "[servers.chat]\nid = \"of-the-file\"\n",
    )
    .unwrap();
    assert_eq!(ports(&loaded(&asked())), [("of-the-file", None)]);
    fs::write(folder.path("tangelo.toml"), "[types.chat]\nmax_queue = 5\n").unwrap();
    fs::create_dir(folder.path("config")).unwrap();
    fs::write(folder.path("config/servers.json"), ONE).unwrap();
    let both = loaded(&asked());
    assert_eq!(ports(&both), [("chat-1", Some(1))]);
    assert_eq!(both.servers[0].tuning.max_queue, Some(5));
}

#[test]
fn one_folder_is_enough() {
    let (one, other) = (Folder::with(&[("servers.json", ONE)]), Folder::with(&[]));
    let places = [one.0.clone(), other.0.clone()];
    let told = mistakes(
        &one,
        &Asked {
            places: &places,
            ..Asked::default()
        },
    );
    assert!(told[0].contains("one folder is enough"), "{told:?}");
}

#[test]
fn the_application_reads_files_of_its_own_as_pomelo_does() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Mysql {
        host: String,
    }
    let folder = Folder::with(&[
        ("servers.json", ONE),
        (
            "mysql.json",
            r#"{"development": {"host": "a"}, "production": {"host": "b"}}"#,
        ),
        ("development/redis.json", r#"{"host": "c"}"#),
        ("wrong.json", r#"{"host": 5}"#),
        ("broken.json", "{"),
    ]);
    let config = loaded(&Asked {
        places: std::slice::from_ref(&folder.0),
        ..Asked::default()
    })
    .config;
    let of = |host: &str| {
        Some(Mysql {
            host: host.to_owned(),
        })
    };
    assert_eq!(config.read("mysql.json").unwrap(), of("a"));
    assert_eq!(config.read("redis.json").unwrap(), of("c"));
    assert_eq!(config.read::<Mysql>("nowhere.json").unwrap(), None);
    let wrong = config.read::<Mysql>("wrong.json").unwrap_err().to_string();
    assert!(wrong.contains("wrong.json: invalid type"), "{wrong}");
    let broken = config.read::<Mysql>("broken.json").unwrap_err().to_string();
    assert!(broken.contains("broken.json:1: EOF"), "{broken}");
}

#[test]
fn files_that_cannot_be_read_are_all_told() {
    let folder = Folder::with(&[("servers.json", "{"), ("tangelo.toml", "[types")]);
    fs::write(folder.path("master.json"), b"\xff").unwrap();
    let places = [folder.0.clone(), folder.path("tangelo.toml")];
    let told = mistakes(
        &folder,
        &Asked {
            places: &places,
            ..Asked::default()
        },
    );
    let files: Vec<_> = told
        .iter()
        .filter_map(|told| told.split(':').next())
        .collect();
    assert_eq!(
        files,
        ["servers.json", "tangelo.toml", "master.json"],
        "{told:?}"
    );
}

#[test]
fn what_the_pages_show_can_be_read() {
    for page in [
        include_str!("../../../../../docs/guide.md"),
        include_str!("../../../../../docs/pomelo.md"),
    ] {
        let blocks = page.split("```toml\n").skip(1);
        let blocks = blocks.filter_map(|rest| rest.split("```").next());
        let shown: Vec<_> = blocks.filter(|block| block.contains("[servers.")).collect();
        assert!(!shown.is_empty());
        for text in shown {
            for env in ["development", "production"] {
                toml_in(env, text);
            }
        }
    }
}
