use super::*;
use std::collections::BTreeSet;

const EXAMPLE: &str = include_str!("../../../../truecell.example.toml");

fn parse(text: &str) -> Result<Config, Vec<ConfigError>> {
    Config::parse(text, Path::new("/etc/truecell/truecell.toml"))
}

/// The example with the keys behind a bare `#` taken in; `# prose` stays a comment.
fn with_every_key() -> String {
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => key.to_owned(),
        Some(_) | None => line.to_owned(),
    };
    EXAMPLE.lines().map(uncomment).map(|line| line + "\n").collect()
}

fn only(errors: Vec<ConfigError>) -> ConfigError {
    let [error] = <[ConfigError; 1]>::try_from(errors).unwrap();
    error
}

/// All keys of a table, as dotted paths; arrays of tables once.
fn keys(table: &toml::Table, under: &str, into: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = format!("{under}{key}");
        if let Some(inner) = value.as_table() {
            keys(inner, &format!("{path}."), into);
            continue;
        }
        let tables: Vec<_> =
            value.as_array().into_iter().flatten().filter_map(toml::Value::as_table).collect();
        tables.iter().for_each(|inner| keys(inner, &format!("{path}."), into));
        if tables.is_empty() {
            into.insert(path);
        }
    }
}

#[test]
fn the_example_is_a_configuration_as_it_stands_and_with_every_key() {
    assert_eq!(parse(EXAMPLE).unwrap().node.to_string(), "segw-1");
    let all = parse(&with_every_key()).unwrap();
    assert_eq!(all.realms[0].anchors, [PathBuf::from("/etc/truecell/vendor-ca.pem")]);
}

#[test]
fn the_example_leaves_out_no_key() {
    let all = parse(&with_every_key()).unwrap();
    let (mut known, mut shown) = (BTreeSet::new(), BTreeSet::new());
    keys(&toml::Table::try_from(&all).unwrap(), "", &mut known);
    keys(&with_every_key().parse().unwrap(), "", &mut shown);
    assert_eq!(known, shown);
}

/// Section and key of each row of the table, and whether its column `restart` says so.
fn documented() -> BTreeSet<(String, bool)> {
    let document = include_str!("../../../../docs/configuration.md");
    let (_, table) = document.split_once("| key | form | default | restart | meaning |\n").unwrap();
    let (mut section, mut documented) = (String::new(), BTreeSet::new());
    for row in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.split('|').collect();
        if let Some(name) = cells[1].trim().strip_prefix("**[") {
            section = name.trim_matches(['[', ']', '*']).to_owned() + ".";
            continue;
        }
        let keys = cells[1].split('`').skip(1).step_by(2);
        documented.extend(keys.map(|key| (format!("{section}{key}"), cells[4].trim() == "yes")));
    }
    documented
}

#[test]
fn the_table_says_of_each_key_whether_it_needs_a_restart() {
    let (mut known, all) = (BTreeSet::new(), parse(&with_every_key()).unwrap());
    keys(&toml::Table::try_from(&all).unwrap(), "", &mut known);
    let expected: BTreeSet<_> = known.into_iter().map(|key| (key.clone(), !is_live(&key))).collect();
    assert_eq!(documented(), expected);
}

#[test]
fn what_differs_is_named_by_its_key_with_both_values() {
    let old = parse(&with_every_key()).unwrap();
    let changes = |new: &Config| Values::of(&old).changes_to(&Values::of(new));
    assert_eq!(changes(&old), []);
    let text = with_every_key()
        .replace("filter = \"info\"", "filter = \"debug\"")
        .replace("dpd_s = 60", "dpd_s = 30");
    let found = changes(&parse(&text).unwrap());
    let named: Vec<_> = found.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(named, ["gateway.lifetimes.dpd_s", "log.filter"]);
    assert_eq!((found[1].from.as_deref(), found[1].to.as_deref()), (Some("\"info\""), Some("\"debug\"")));
    let found = changes(&parse(EXAMPLE).unwrap());
    let device = found.iter().find(|change| change.key == "gateway.tun.device").unwrap();
    assert!(device.from.is_some() && device.to.is_none() && !is_live(&device.key));
}

#[test]
fn the_defaults_that_the_example_shows_are_the_defaults() {
    let bare = toml::Table::try_from(parse(EXAMPLE).unwrap()).unwrap();
    let shown = toml::Table::try_from(parse(&with_every_key()).unwrap()).unwrap();
    let mut optional =
        ["certificate", "key", "pools", "service", "legacy", "shards", "tun", "class", "quarantine"].iter();
    let (mut bare_gateway, mut shown_gateway) =
        (bare["gateway"].as_table().unwrap().clone(), shown["gateway"].as_table().unwrap().clone());
    optional.by_ref().for_each(|key| {
        bare_gateway.remove(*key);
        shown_gateway.remove(*key);
    });
    assert_eq!(bare_gateway, shown_gateway);
    assert_eq!((&bare["http"], &bare["log"]), (&shown["http"], &shown["log"]));
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let text = EXAMPLE.replace("#port = 500", "ports = 500");
    let error = only(parse(&text).unwrap_err());
    let line = text.lines().position(|line| line == "ports = 500").unwrap() + 1;
    assert_eq!(error.line, Some(line));
    assert!(error.what.starts_with("unknown field `ports`, expected one of"), "{}", error.what);
    let place = format!("/etc/truecell/truecell.toml:{line}: gateway.ports: unknown field");
    assert!(error.to_string().starts_with(&place), "{error}");
}

#[test]
fn a_value_of_the_wrong_form_is_refused_with_its_line() {
    for (from, to, line, what) in [
        ("node = \"segw-1\"", "node = \"SEGW\"", "node = \"SEGW\"", "lower-case letters"),
        ("v4 = \"10.64.0.0/12\"", "v4 = \"10.64.0.0\"", "v4 = \"10.64.0.0\"", "invalid IP address syntax"),
        ("#dpd_s = 60", "dpd_s = -1", "dpd_s = -1", "invalid value: integer `-1`"),
        ("#format = \"text\"", "format = \"xml\"", "format = \"xml\"", "unknown variant `xml`"),
        ("node = \"segw-1\"", "node = segw-1", "node = segw-1", "string values must be quoted"),
    ] {
        let text = EXAMPLE.replace(from, to);
        let error = only(parse(&text).unwrap_err());
        assert_eq!(error.line, text.lines().position(|l| l == line).map(|at| at + 1), "{to}: {error}");
        assert!(error.what.contains(what), "{to}: {error}");
    }
}

#[test]
fn a_destination_that_is_none_is_refused_with_its_line_and_the_word_that_is_wrong() {
    let class =
        "[[gateway.class]]\nname = \"home\"\nreach = [\n  \"10.0.0.0/24\",\n  \"10.1.0.5 upd 2152\",\n]\n";
    let text = format!("{EXAMPLE}\n{class}");
    let error = only(parse(&text).unwrap_err());
    assert!(error.what.starts_with("`upd` is no protocol"), "{error}");
    assert_eq!(error.line, text.lines().position(|line| line.contains("upd")).map(|at| at + 1), "{error}");
}

#[test]
fn a_destination_among_the_units_is_refused() {
    let text = format!("{EXAMPLE}\n[[gateway.class]]\nname = \"home\"\nreach = [\"10.64.1.10 tcp 5201\"]\n");
    let error = only(parse(&text).unwrap_err());
    assert_eq!(error.what, "10.64.1.10/32 overlaps a pool of the units");
}

#[test]
fn quarantine_has_addresses_of_its_own_and_something_to_reach() {
    let with = |keys: &str| {
        let errors = parse(&format!("{EXAMPLE}\n[gateway.quarantine]\n{keys}")).err().unwrap_or_default();
        errors.into_iter().map(|error| (error.key.unwrap_or_default(), error.what)).collect::<Vec<_>>()
    };
    let reach = "reach = [\"10.0.0.5 tcp 443\"]\n";
    assert_eq!(with(&format!("v4 = \"10.99.0.0/24\"\n{reach}")), []);
    for (keys, key, what) in [
        (reach.to_owned(), "gateway.quarantine", "no addresses for units in quarantine"),
        (format!("v4 = \"10.99.0.9/24\"\n{reach}"), "gateway.quarantine.v4", "is an address in a network"),
        (format!("v4 = \"10.64.9.0/24\"\n{reach}"), "gateway.quarantine.v4", "overlaps a pool of the units"),
        (format!("v6 = \"fd99::1/128\"\n{reach}"), "gateway.quarantine.v6", "has no room for units"),
        ("v4 = \"10.99.0.0/24\"\nreach = []\n".into(), "gateway.quarantine.reach", "nothing to reach"),
        (
            "v4 = \"10.99.0.0/24\"\nreach = [\"10.99.0.0/28 udp\"]\n".into(),
            "gateway.quarantine.reach",
            "10.99.0.0/28 overlaps a pool of the units",
        ),
        (
            "v4 = \"192.168.255.0/24\"\nreach = [\"10.0.0.5\"]\n".into(),
            "gateway.service.addresses",
            "192.168.255.1, number 1 of the list, is in a pool",
        ),
    ] {
        let [(at, found)] = <[_; 1]>::try_from(with(&keys)).unwrap();
        assert!(at.starts_with(key) && found.contains(what), "{at}: {found}");
    }
}

#[test]
fn a_class_has_one_name_of_its_own() {
    let class = |name: &str| format!("[[gateway.class]]\nname = \"{name}\"\nreach = [\"10.0.0.9 tcp\"]\n");
    let text = [EXAMPLE, &class("home"), &class(""), &class("home"), &class("office")].concat();
    let errors = parse(&text).unwrap_err();
    let whats: Vec<_> = errors.iter().map(|error| error.what.as_str()).collect();
    assert_eq!(whats, ["a class without a name", "the class `home` is there twice"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        errors.iter().map(|error| lines[error.line.unwrap() - 1]).collect::<Vec<_>>(),
        ["name = \"\"", "name = \"home\"",]
    );
}

#[test]
fn all_that_no_single_value_shows_is_named_at_once_in_the_order_of_the_lines() {
    let text = with_every_key()
        .replace("key = \"/etc/truecell/segw.key\"", "")
        .replace("listen = \"127.0.0.1:9464\"", "listen = \"0.0.0.0:9464\"")
        .replace("auth_h = 24", "auth_h = 25")
        .replace("filter = \"info\"", "filter = \"truecell=loud\"")
        + "[[realm]]\nname = \"femto.vendor.example\"\nanchors = []\n";
    let errors = parse(&text).unwrap_err();
    let whats: Vec<_> = errors.iter().map(|error| error.what.as_str()).collect();
    assert_eq!(whats.len(), 6, "{whats:?}");
    assert!(errors.windows(2).all(|pair| pair[0].line <= pair[1].line));
    for (what, line) in [
        ("a certificate without its key", "certificate = \"/etc/truecell/segw.pem\""),
        ("not within 1 and 24 hours", "auth_h = 25"),
        ("0.0.0.0:9464 is not a loopback address", "listen = \"0.0.0.0:9464\""),
        ("no log filter", "filter = \"truecell=loud\""),
    ] {
        let error = errors.iter().find(|error| error.what.starts_with(what)).unwrap();
        assert_eq!(error.line, text.lines().position(|l| l == line).map(|at| at + 1), "{error}");
    }
}

#[test]
fn wrong_values_of_any_kind_are_named_together_with_their_keys_and_how_they_are_written() {
    let text = with_every_key()
        .replace("node = \"segw-1\"", "node = \"SEGW\"")
        .replace("v4 = \"10.64.0.0/12\"", "v4 = \"10.64.0.0\"")
        .replace("auth_h = 24", "auth_h = 25")
        .replace("dpd_s = 60", "dpd_s = -1")
        .replace("\"aes256gcm16\",", "\"rot13\",")
        .replace("format = \"text\"", "format = \"xml\"")
        .replace("[http]", "[http]\nport = 1")
        + "[[realm]]\nname = \"two words\"\nanchors = [\"/a.pem\"]\n";
    let keys = |text: &str| -> Vec<String> {
        parse(text).unwrap_err().into_iter().filter_map(|error| error.key).collect()
    };
    let forms = [
        "node",
        "gateway.suites.ciphers",
        "gateway.lifetimes.dpd_s",
        "gateway.pools.v4",
        "http.port",
        "log.format",
    ];
    let expected = [&forms[..], &["realm.name"]].concat();
    assert_eq!(keys(&text), expected);
    let whole = text.replace("\"SEGW\"", "\"segw-1\"").replace("two words", "two.example");
    let expected = [&forms[1..2], &["gateway.lifetimes.auth_h"], &forms[2..]].concat();
    assert_eq!(keys(&whole), expected);
    let pool = parse(&whole).unwrap_err().into_iter().find(|e| e.key.as_deref() == Some("gateway.pools.v4"));
    assert_eq!(pool.unwrap().next, "write it as in `v4 = \"10.64.0.0/12\"`");
}

#[test]
fn a_missing_key_hides_nothing_in_the_other_sections() {
    let text = EXAMPLE.replace("identity = ", "#identity = ").replace("organization = \"Operator\"", "");
    let whats: Vec<_> = parse(&text).unwrap_err().into_iter().map(|error| error.what).collect();
    assert_eq!(whats, ["missing field `identity`", "missing field `organization`"]);
}

#[test]
fn a_missing_section_is_not_blamed_on_the_key_that_the_file_begins_with() {
    let error = only(parse("node = \"segw-1\"\ndata = \"state\"\n").unwrap_err());
    assert_eq!((error.key.as_deref(), error.what.as_str()), (None, "missing field `gateway`"));
}

#[test]
fn what_would_quietly_do_something_else_is_refused() {
    for (from, to, what) in [
        ("v4 = \"10.64.0.0/12\"", "v4 = \"10.64.0.1/12\"", "is an address in a network"),
        ("identity = \"segw.operator.example\"", "identity = \"192.0.2.1\"", "an IP address is none"),
        ("#filter = \"info\"", "filter = \"chatty\"", "`chatty` is no level"),
        ("#filter = \"info\"", "filter = \"gateway=debug,chatty\"", "`chatty` is no level"),
    ] {
        let error = only(parse(&EXAMPLE.replace(from, to)).unwrap_err());
        assert!(error.what.contains(what), "{error}");
    }
    let text = with_every_key().replace("reachable = [\"10.0.0.0/24\"]", "reachable = [\"10.0.0.9/24\"]");
    let error = only(parse(&text).unwrap_err());
    assert!(
        error.what.starts_with("10.0.0.9/24 is an address") && error.next.contains("10.0.0.0/24"),
        "{error}"
    );
    parse(&EXAMPLE.replace("#filter = \"info\"", "filter = \"warn,gateway=debug\"")).unwrap();
    let text =
        with_every_key().replacen("realm = \"femto.vendor.example\"", "realm = \"femto.nobody.example\"", 1);
    let error = only(parse(&text).unwrap_err());
    assert_eq!(error.key.as_deref(), Some("gateway.legacy.realm"));
    assert!(error.what.ends_with("has the realm femto.nobody.example"), "{error}");
}

#[test]
fn a_missing_file_says_so_and_what_to_do() {
    let error = only(Config::read(Path::new("/nonexistent/truecell.toml")).unwrap_err());
    assert_eq!(error.line, None);
    assert!(error.to_string().contains("truecell.example.toml"), "{error}");
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let config = parse(&EXAMPLE.replace("/var/lib/truecell", "state")).unwrap();
    assert_eq!(config.data, Path::new("/etc/truecell/state"));
}

#[test]
fn an_admission_policy_with_a_zero_is_refused_with_its_line() {
    for (shown, zero) in [
        ("#max_validity_d = 30", "max_validity_d = 0"),
        ("#make_room_s = 30", "make_room_s = 0"),
        ("#silent_after_d = 14", "silent_after_d = 0"),
        ("#probe_interval_s = 10", "probe_interval_s = 0"),
    ] {
        let text = EXAMPLE.replacen(shown, zero, 1);
        let error = only(parse(&text).unwrap_err());
        assert_eq!(error.line, text.lines().position(|line| line == zero).map(|at| at + 1), "{error}");
        assert!(error.to_string().contains("write 1 or more"), "{error}");
    }
}

#[test]
fn the_public_listener_needs_a_ca_and_a_vendor_a_listener_and_a_url_is_a_host() {
    let with = |section: &str| parse(&format!("{EXAMPLE}\n{section}"));
    let bare = with("[enrol]\n").unwrap().enrol.unwrap();
    let shown = parse(&with_every_key()).unwrap().enrol.unwrap();
    assert_eq!((bare.listen, bare.ocsp_period_m, bare.crl_period_h), (shown.listen, 60, 24));
    assert_eq!((shown.ocsp_period_m, shown.crl_period_h, bare.url), (60, 24, None));
    let below = with(
        "[enrol]\nlisten = []\ntls_listen = [\"127.0.0.1:0\"]\ntls_name = \"est.segw.operator.example\"\n",
    );
    assert!(below.is_ok());
    let vendor = |realm: &str| format!("[[vendor]]\nrealm = \"{realm}\"\nanchors = \"vendor.pem\"\n");
    let config = with(&format!("[enrol]\n{}", vendor("vendor.example"))).unwrap();
    assert_eq!(config.vendors[0].anchors, Path::new("/etc/truecell/vendor.pem"));
    for (section, key, what) in [
        ("[enrol]\nlisten = []\n", "enrol.listen", "no address"),
        ("[enrol]\nurl = \"https://pki.example\"\n", "enrol.url", "no http URL of a host"),
        ("[enrol]\nurl = \"http://pki.example/\"\n", "enrol.url", "no http URL of a host"),
        ("[enrol]\nurl = \"http://\"\n", "enrol.url", "no http URL of a host"),
        ("[enrol]\ntls_key = \"a.key\"\n", "enrol.tls_key", "a key without its certificate"),
        ("[enrol]\ntls_certificate = \"a.pem\"\n", "enrol.tls_certificate", "a certificate without its key"),
        (
            "[enrol]\ntls_name = \"pki.operator.example\"\n",
            "enrol.tls_name",
            "not segw.operator.example nor below",
        ),
        (
            "[enrol]\ntls_name = \"asegw.operator.example\"\n",
            "enrol.tls_name",
            "not segw.operator.example nor",
        ),
        ("[enrol]\nocsp_period_m = 0\n", "enrol.ocsp_period_m", "not 1 to 10080"),
        ("[enrol]\ncrl_period_h = 169\n", "enrol.crl_period_h", "not 1 to 168"),
        (&vendor("vendor.example"), "vendor", "no [enrol]"),
        (
            &format!("[enrol]\n{}", vendor("femto.operator.example")),
            "vendor.realm",
            "femto.operator.example is the realm of [ca]",
        ),
        (
            &format!("[enrol]\n{}{}", vendor("vendor.example"), vendor("vendor.example")),
            "vendor.realm",
            "realm vendor.example appears twice",
        ),
    ] {
        let error = only(with(section).unwrap_err());
        assert_eq!(error.key.as_deref(), Some(key), "{section}: {error}");
        assert!(error.what.starts_with(what), "{section}: {error}");
    }
    let (before, _) = EXAMPLE.split_once("[ca]\n").unwrap();
    let foreign = "[[realm]]\nname = \"a.example\"\nanchors = [\"a.pem\"]\n[enrol]\n";
    let own = "certificate = \"a.pem\"\nkey = \"a.key\"\n[gateway.suites]\n";
    let text = format!("{}{foreign}", before.replace("[gateway.suites]\n", own));
    let error = only(parse(&text).unwrap_err());
    assert!(error.what.starts_with("no [ca]: nobody could certify"), "{error}");
}
