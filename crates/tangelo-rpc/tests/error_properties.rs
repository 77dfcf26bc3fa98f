//! error.properties is read from a file, and its mistakes name file and line.

use std::{fs, path::PathBuf};

use tangelo_rpc::server::{ErrorTexts, Properties};

fn file(name: &str, text: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, text).expect("the folder is there to be written to");
    file
}

#[test]
fn a_files_codes_have_their_words() {
    let file = file(
        "good.properties",
        "# user service\r\n-100001=用户名已存在\r\n",
    );
    let properties = Properties::load(file).unwrap();
    assert_eq!(properties.text(-100_001).unwrap(), "用户名已存在");
}

#[test]
fn each_mistake_names_file_and_line() {
    let file = file("wrong.properties", "-1=a\nname=b\n-1=c\n");
    let error = Properties::load(&file).unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(lines[0].starts_with(&format!("{}:2: `name`", file.display())));
    assert!(lines[1].starts_with(&format!("{}:3: -1 has words", file.display())));
}
