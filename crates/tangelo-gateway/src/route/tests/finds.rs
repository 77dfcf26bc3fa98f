//! What a request is for.

use super::{compiled, folder::Folder, found, xml};
use crate::route::{Dir, Router, Routes};

/// A router for urls of service 100, each `msgId attributes`.
fn router(urls: &[&str]) -> Router {
    let urls = urls.iter().map(|url| {
        let (id, attributes) = url.split_once(' ').unwrap();
        format!("<url serviceId='100' msgId='{id}' {attributes}/>")
    });
    compiled(&xml(&format!(
        "<routes>{}</routes>",
        urls.collect::<String>()
    )))
}

#[track_caller]
fn finds(router: &Router, table: &[(&str, &str)]) {
    for (asked, expected) in table {
        assert_eq!(found(router, asked), *expected, "{asked}");
    }
}

#[test]
fn a_path_is_found_as_a_whole_and_in_its_case() {
    let router = router(&["1 path='/user/login'", "2 path='/'", "3 path='/用户/a b'"]);
    finds(
        &router,
        &[
            ("GET /user/login", "1"),
            ("POST /user/login", "1"),
            // One slash at the end does not count.
            ("GET /user/login/", "1"),
            ("GET /user/login//", "404"),
            ("GET //user/login", "404"),
            ("GET /user//login", "404"),
            ("GET /user/login/extra", "404"),
            ("GET /user", "404"),
            ("GET /user/logi", "404"),
            ("GET /user/loginx", "404"),
            ("GET /User/login", "404"),
            ("GET /", "2"),
            ("GET //", "2"),
            ("GET /%E7%94%A8%e6%88%b7/a%20b", "3"),
            ("GET /user/lo%67in", "1"),
            ("GET /user%2Flogin", "404"),
            ("GET /用户/a+b", "404"),
        ],
    );
}

#[test]
fn a_variable_is_one_segment_that_is_not_empty() {
    let router = router(&[
        "1 path='/abc/{region}/{userId}'",
        "2 path='/abc/{r}/{u}/edit'",
    ]);
    finds(
        &router,
        &[
            ("GET /abc/eu/7", "1 region=eu userId=7"),
            ("GET /abc/eu/7/", "1 region=eu userId=7"),
            ("GET /abc/eu/7/edit", "2 r=eu u=7"),
            ("GET /abc/eu/7/EDIT", "404"),
            ("GET /abc/eu", "404"),
            ("GET /abc/eu/", "404"),
            ("GET /abc//7", "404"),
            ("GET /abc/eu//edit", "404"),
            ("GET /abc/eu/7/8", "404"),
        ],
    );
}

#[test]
fn the_value_of_a_variable_is_decoded_once_and_an_encoded_slash_is_a_part_of_it() {
    let router = router(&["1 path='/f/{name}'", "2 path='/f/{name}/x'"]);
    finds(
        &router,
        &[
            ("GET /f/a%20b", "1 name=a b"),
            ("GET /f/a+b", "1 name=a+b"),
            ("GET /f/a%2Fb", "1 name=a/b"),
            ("GET /f/a%2Fx", "1 name=a/x"),
            ("GET /f/a%252Fb", "1 name=a%2Fb"),
            ("GET /f/%E7%94%A8", "1 name=用"),
            ("GET /f/a%26b=c", "1 name=a&b=c"),
            ("GET /f/a%2Fb/x", "2 name=a/b"),
            ("GET /f/%2F", "1 name=/"),
            ("GET /f/a%00b", "400"),
            ("GET /f/a%0Ab", "400"),
            ("GET /f/%ff", "400"),
            ("GET /f/%2", "400"),
            ("GET /f/%2e%2e", "400"),
            ("GET /f/..%2f..%2fetc", "400"),
            ("GET /f/..%5cetc", "400"),
            ("GET /f/x/../a", "400"),
        ],
    );
}

#[test]
fn a_segment_as_written_is_before_a_variable_from_left_to_right() {
    let router = router(&[
        "1 path='/{a}/{b}'",
        "2 path='/x/{b}'",
        "3 path='/{a}/y'",
        "4 path='/x/y'",
        "5 path='/x/{b}/z'",
        "6 path='/{a}/y/w'",
    ]);
    finds(
        &router,
        &[
            ("GET /x/y", "4"),
            ("GET /x/q", "2 b=q"),
            ("GET /q/y", "3 a=q"),
            ("GET /q/r", "1 a=q b=r"),
            ("GET /x/y/z", "5 b=y"),
            // What seemed nearer leads nowhere.
            ("GET /x/y/w", "6 a=x"),
        ],
    );
}

#[test]
fn more_segments_are_found_only_where_that_is_asked_for() {
    let router = router(&[
        "1 path='/u/login' match='prefix'",
        "2 path='/u/{name}' match='prefix'",
        "3 path='/u/login/a'",
        "4 path='/u/{x}/{y}/{z}'",
        "5 path='/exact'",
    ]);
    finds(
        &router,
        &[
            ("GET /u/login", "1"),
            ("GET /u/login/extra", "1"),
            ("GET /u/login/", "1"),
            ("GET /u/loginx", "2 name=loginx"),
            ("GET /u/ann/x", "2 name=ann"),
            ("GET /u/login/a", "3"),
            // Exactly this many segments are before a beginning.
            ("GET /u/login/a/b", "4 x=login y=a z=b"),
            ("GET /u/login/a/b/c", "1"),
            ("GET /u", "404"),
            ("GET /exact/more", "404"),
            ("GET /u/login/%2e%2e/x", "400"),
        ],
    );
    let all = self::router(&["1 path='/' match='prefix'", "2 path='/a' match='prefix'"]);
    finds(
        &all,
        &[
            ("GET /", "1"),
            ("GET /b/c", "1"),
            ("GET /a/b", "2"),
            ("GET /ab", "1"),
        ],
    );
    let deep = format!("GET /a{}", "/x".repeat(100_000));
    assert_eq!(found(&all, &deep), "2");
    assert_eq!(found(&router, &deep), "404");
}

#[test]
fn another_method_is_told_which_there_are() {
    let router = router(&[
        "1 path='/r/{id}' methods='get'",
        "2 path='/r/{id}' methods='put,delete'",
        "3 path='/r/new' methods='post'",
        "4 path='/below' methods='patch' match='prefix'",
    ]);
    finds(
        &router,
        &[
            ("GET /r/7", "1 id=7"),
            ("PUT /r/7", "2 id=7"),
            ("POST /r/7", "405 GET, HEAD, PUT, DELETE"),
            ("PATCH /r/7", "405 GET, HEAD, PUT, DELETE"),
            ("OPTIONS /r/7", "405 GET, HEAD, PUT, DELETE"),
            ("BREW /r/7", "405 GET, HEAD, PUT, DELETE"),
            // Only urls that are open for the method are looked at.
            ("POST /r/new", "3"),
            ("GET /r/new", "1 id=new"),
            ("PATCH /r/new", "405 GET, HEAD, POST, PUT, DELETE"),
            ("GET /below/x", "405 PATCH"),
            ("POST /nothing", "404"),
            ("get /r/7", "405 GET, HEAD, PUT, DELETE"),
        ],
    );
}

#[test]
fn head_is_found_where_get_is_unless_it_has_a_url_of_its_own() {
    let router = router(&[
        "1 path='/a' methods='get'",
        "2 path='/{x}' methods='head'",
        "3 path='/b' methods='get'",
        "4 path='/b' methods='head'",
        "5 path='/c' methods='post'",
        "6 path='/p' methods='get' match='prefix'",
        "7 path='/q' methods='get' match='prefix'",
        "8 path='/q' methods='head'",
    ]);
    finds(
        &router,
        &[
            ("HEAD /a", "1"),
            ("HEAD /z", "2 x=z"),
            ("HEAD /b", "4"),
            ("GET /b", "3"),
            ("HEAD /c", "2 x=c"),
            ("HEAD /p/q", "6"),
            ("HEAD /q", "8"),
            ("HEAD /q/r", "7"),
        ],
    );
}

#[test]
fn a_host_has_its_own_urls_and_then_those_of_all() {
    let router = router(&[
        "1 path='/a' hosts='A.Example,b.example'",
        "2 path='/a'",
        "3 path='/b'",
        "4 path='/b' hosts='b.example' methods='put'",
        "5 path='/a' hosts='[::1]'",
        "6 path='/only' hosts='b.example' methods='put'",
    ]);
    finds(
        &router,
        &[
            ("GET a.example/a", "1"),
            ("GET A.EXAMPLE:8888/a", "1"),
            ("GET a.example./a", "1"),
            ("GET a.example.:80/a", "1"),
            ("GET b.example/a", "1"),
            ("GET c.example/a", "2"),
            ("GET xa.example/a", "2"),
            ("GET /a", "2"),
            ("GET a.example/b", "3"),
            ("PUT b.example/b", "4"),
            ("GET b.example/b", "3"),
            ("PUT a.example/b", "405 GET, HEAD, POST"),
            ("DELETE b.example/b", "405 GET, HEAD, POST, PUT"),
            ("GET [::1]/a", "5"),
            ("GET [::1]:80/a", "5"),
            ("GET [::2]:80/a", "2"),
            ("GET [::1/a", "2"),
            ("GET a.example/only", "404"),
            ("GET b.example/only", "405 PUT"),
        ],
    );
}

#[test]
fn what_no_url_takes_may_be_a_file() {
    let folder = Folder::with(&[("www/x", ""), ("up/x", "")]);
    let [www, up] = ["www", "up"].map(|name| folder.path(name));
    let urls = "<routes><url path='/st/api' serviceId='100' msgId='1' methods='get'/>
        <url path='/st/post' serviceId='100' msgId='2' methods='post'/></routes>";
    let routes = xml(urls)
        .dir(Dir::new("/st").static_dir(&www))
        .dir(Dir::new("/st/deep").static_dir(&up).template_dir(&up))
        .dir(Dir::new("/st/deep/up").upload_dir(&up))
        .dir(
            Dir::new("/")
                .hosts("a.example")
                .static_dir(&up)
                .upload_dir(&www),
        );
    let router = compiled(&routes);
    finds(
        &router,
        &[
            ("GET /st/api", "1"),
            ("GET /st/a.css", "dir 0 a.css"),
            ("HEAD /st/css/a.css", "dir 0 css/a.css"),
            ("GET /st", "dir 0 "),
            ("GET /st/", "dir 0 "),
            ("GET /st/css/", "dir 0 css/"),
            ("GET /st/a%20b.txt", "dir 0 a b.txt"),
            ("GET /st/%252e%252e/x", "dir 0 %2e%2e/x"),
            // A dir is below its path, not beside it.
            ("GET /sta.txt", "404"),
            ("GET /other", "404"),
            ("GET /st/deep/x", "dir 1 x"),
            ("GET /st/deeper/x", "dir 0 deeper/x"),
            // The nearest has no files.
            ("GET /st/deep/up/x", "dir 1 up/x"),
            ("POST /st/a.css", "404"),
            // If there is no such file, it was the method.
            ("GET /st/post", "dir 0 post or 405 POST"),
            ("PUT /st/post", "405 POST"),
            ("GET a.example/", "dir 3 "),
            ("GET a.example/x/y", "dir 3 x/y"),
            ("GET a.example/st/x", "dir 3 st/x"),
            // No names of files.
            ("GET /st//x", "404"),
            ("GET /st/x//", "404"),
            ("GET /st/a%2Fb", "404"),
            ("GET /st/a%5Cb", "404"),
            ("GET /st/../x", "400"),
            ("GET /st/%2e%2e%2fx", "400"),
            ("GET /st/a%00.css", "400"),
        ],
    );
    assert_eq!(router.template_dir(None, "/st/deep/up/x"), Some(&*up));
    assert_eq!(router.upload_dir(None, "/st/deep/up"), Some(&*up));
    assert_eq!(router.upload_dir(None, "/st/deep"), None);
    assert_eq!(
        router.upload_dir(Some("A.example:1"), "/st/deep"),
        Some(&*www)
    );
    assert_eq!(
        router.template_dir(Some("a.example"), "/st/deep"),
        Some(&*up)
    );
    assert_eq!(router.upload_dir(None, "/st/deep/up/.."), None);
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let router = compiled(&Routes::new());
    finds(
        &router,
        &[
            ("GET /", "404"),
            ("GET a.example/x", "404"),
            ("OPTIONS *", "400"),
            ("GET a", "400"),
        ],
    );
}
