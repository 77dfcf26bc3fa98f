use super::*;

/// Whether this is true of a few values.
fn is(text: &str) -> bool {
    let expression: Expression = text.parse().unwrap();
    expression.matches(&|key| {
        let value = match key {
            "a" => "1",
            "b" => "2",
            "host" => "10.0.12.1",
            "name" => "John Smith",
            "user.name" => "abc",
            "list" => "x,y",
            "star" => "5*",
            "empty" => "",
            _ => return None,
        };
        Some(value.into())
    })
}

/// What is said about this, and where.
fn error(text: &str) -> (usize, String) {
    let error = text.parse::<Expression>().unwrap_err();
    (error.position, error.problem)
}

#[test]
fn nothing_is_always_true() {
    assert!(is("") && is("  \n"));
}

#[test]
fn one_of_several_values() {
    assert!(is("a == 1") && is("a==1") && is("a == 3, 1 ,4") && is("a == 1,"));
    assert!(!is("a == 2") && !is("a == 2,3") && !is("a == 11"));
    assert!(is("a != 2") && is("a != 2,3") && is("a!=2"));
    assert!(!is("a != 1") && !is("a != 3,1"));
}

#[test]
fn in_and_not_in_are_the_same_in_words() {
    assert!(is("a in 3,1") && is("a in\t1") && is("a in \"3,1\"") && is("a not_in 2,3"));
    assert!(!is("a in 2,3") && !is("a not_in 3,1"));
}

#[test]
fn a_star_is_zero_or_more_digits() {
    assert!(is("host == 10.0.*.1") && is("host == 10.0.12.1*") && is("host in x,10.*.*.*"));
    assert!(!is("host == 10.0.*") && !is("host == *") && is("a == *"));
    assert!(!is("host != 10.0.*.1") && is("name != *"));
}

#[test]
fn a_missing_value_makes_every_comparison_false() {
    for text in [
        "c == 1",
        "c != 1",
        "c =~ .*",
        "c !~ x",
        "c in 1",
        "c not_in 1",
    ] {
        assert!(!is(text), "{text}");
        assert!(is(&format!("!{text}")), "{text}");
    }
}

#[test]
fn an_empty_value_is_a_value() {
    assert!(is("empty == \"\"") && is("empty != 1") && is("empty =~ .*") && !is("a == \"\""));
}

#[test]
fn a_regular_expression_matches_the_whole_value() {
    assert!(is("user.name =~ a.c") && is("user.name =~ \"(x|abc)\"") && is("user.name !~ b"));
    assert!(!is("user.name =~ b") && !is("user.name =~ ab") && !is("user.name !~ [a-c]+"));
}

#[test]
fn and_binds_tighter_than_or_and_not_tighter_than_both() {
    assert!(is("a == 1 || a == 2 && b == 3"));
    assert!(!is("(a == 1 || a == 2) && b == 3"));
    assert!(is("a == 2 && b == 3 || b == 2"));
    assert!(!is("!a == 1 && b == 2") && is("!(a == 1 && b == 3)") && is("!!a==1"));
    assert!(is("a == 2 || a == 3 || a == 1") && !is("a == 1 && b == 2 && a == 2"));
}

#[test]
fn space_is_where_you_like_it_and_nowhere_needed_but_around_words() {
    assert!(is(" ( ( a == 1 )&&b==2 ) ") && is("a==1&&!(b==1)||a==5") && is("a\n==\r\n1\t"));
    assert!(is("name == John Smith && a == 1") && is("name == x, John Smith "));
}

#[test]
fn a_list_as_it_is_written_is_one_of_its_values() {
    assert!(is("list == x,y") && is("list == \"x,y\"") && is("star == 5*") && is("list in x,y"));
    assert!(!is("list != x,y") && !is("list == y,x"));
}

#[test]
fn quotes_hold_what_would_be_an_operator() {
    let with = |text: &str, value: &'static str| {
        let expression: Expression = text.parse().unwrap();
        expression.matches(&|_| Some(value.into()))
    };
    assert!(with("k == \"a&&b\"", "a&&b") && with("k == \"(a|!b)\" && k == \"(a|!b)\"", "(a|!b)"));
    assert!(with("k == abc=", "abc=") && with("k == \"abc==\"", "abc=="));
}

#[test]
fn what_is_looked_up_may_be_borrowed_or_made() {
    let expression: Expression = "msgId == 1 && name == x".parse().unwrap();
    let name = String::from("x");
    let lookup = |key: &str| match key {
        "msgId" => Some(Cow::Owned(1.to_string())),
        _ => Some(Cow::Borrowed(&*name)),
    };
    assert!(expression.matches(&lookup));
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, position, problem) in [
        ("a = 1", 3, "expected `==`"),
        ("a == 1 &&", 10, "expected a key"),
        ("a == 1 && ", 11, "expected a key"),
        ("|| a == 1", 1, "expected a key"),
        ("a == 1 | b == 2", 8, "expected `&&`"),
        ("a == 1 & b == 2", 8, "expected `&&`"),
        ("a == 1 b == 2", 10, "expected `&&`"),
        ("a == b == c", 8, "expected `&&`"),
        ("a == b != c", 8, "expected `&&`"),
        ("a == f(x)", 7, "expected `&&`"),
        ("a == x\"y\"", 7, "expected `&&`"),
        ("(a == 1", 8, "expected `)`"),
        ("(a == 1 x==1", 10, "expected `&&`"),
        ("a == 1)", 7, "this parenthesis was never opened"),
        ("()", 2, "expected a key"),
        ("!", 2, "expected a key"),
        ("a", 2, "expected `==`"),
        ("a ==", 5, "expected a value"),
        ("a == ,(", 7, "expected `&&`"),
        ("a == \"1", 6, "this quote is never closed"),
        ("a == \"1\" 2", 10, "expected `&&`"),
        ("a inn 1", 3, "expected `==`"),
        ("a in", 3, "expected `==`"),
        ("a in ", 6, "expected a value"),
        ("a within 1", 3, "expected `==`"),
        ("näme =~ [", 9, "error: unclosed character class"),
        ("a =~ \"a)|(b\"", 6, "error: unopened group"),
    ] {
        let (at, said) = error(text);
        assert!(
            at == position && said.starts_with(problem),
            "{text}: {at}: {said}"
        );
    }
    assert_eq!(
        "a = 1".parse::<Expression>().unwrap_err().to_string(),
        "at character 3: expected `==`, `!=`, `=~`, `!~`, `in` or `not_in`"
    );
}

#[test]
fn it_nests_as_deep_as_the_limit_says_and_no_deeper() {
    let nested = |depth| format!("{}a == 1{}", "(".repeat(depth), ")".repeat(depth));
    assert!(is(&nested(MAX_DEPTH)));
    let (position, problem) = error(&nested(MAX_DEPTH + 1));
    assert_eq!(
        (position, &*problem),
        (MAX_DEPTH + 1, "nested deeper than 32")
    );
    assert!(is(&format!("{}a == 1", "!".repeat(MAX_DEPTH))));
    assert_eq!(
        error(&format!("{}a == 1", "!".repeat(MAX_DEPTH + 1))).0,
        MAX_DEPTH + 1
    );
    // What is beside each other is not nested.
    assert!(is(&["(a == 1)"; 1_000].join(" && ")));
}

#[test]
fn any_text_is_an_expression_or_a_mistake() {
    // Every text of up to six of these, which is every way to go wrong.
    let parts = ["a", "==", "!", "(", ")", "&&", "\"", "é"];
    for number in 0..8_u32.pow(6) {
        let digits = (0..6).map(|digit| number / 8_u32.pow(digit) % 8);
        let text: String = digits.map(|digit| parts[digit as usize]).collect();
        if let Err(error) = text.parse::<Expression>() {
            assert!(
                (1..=text.chars().count() + 1).contains(&error.position),
                "{text}"
            );
        }
    }
}
