//! What `config.toml` says of its keys, for the help of the command line.

/// The file that explains every key; a test holds it to the keys there are, and to their defaults.
const FILE: &str = include_str!("../../config.toml");

/// A key as the file has it.
pub struct Explained {
    /// Its name.
    pub name: &'static str,
    /// The part of the file that it stands in.
    pub section: &'static str,
    /// What it is for; keys that stand together are explained together.
    pub text: String,
    /// What it takes: `TEXT`, `NUMBER`, `LIST` or `true|false`.
    pub kind: &'static str,
    /// What it is where nobody says; `none` where that is nothing.
    pub default: &'static str,
}

/// Every key, in the file's order.
pub fn explained() -> Vec<Explained> {
    let (mut section, mut text, mut is_read) = ("", String::new(), true);
    let mut keys = Vec::new();
    for line in FILE.lines() {
        if let Some(heading) = line.strip_prefix("# ----") {
            section = heading.trim_matches(['-', ' ']);
        } else if let Some(comment) = line.strip_prefix('#') {
            if is_read {
                text.clear();
                is_read = false;
            }
            text.push_str(comment);
        } else if let Some((name, value)) = line.split_once(" = ") {
            is_read = true;
            let (kind, default) = match value {
                "[]" => ("LIST", "none"),
                "\"\"" => ("TEXT", "none"),
                "true" | "false" => ("true|false", value),
                text if text.starts_with('"') => ("TEXT", text.trim_matches('"')),
                number => ("NUMBER", number),
            };
            keys.push(Explained {
                name,
                section,
                text: text.trim().to_owned(),
                kind,
                default,
            });
        } else {
            is_read = true;
        }
    }
    keys
}
