//! `--set path.to.key=value`: one value of a scenario from the command line.
//!
//! The path names tables and keys. In a list it names an element by its number from 0 or by its `name`
//! (`phases.ramp.viewers=50`). The value is TOML; what is no TOML is taken as a text. `path=` removes the key.

use toml::{Table, Value};

/// Sets one value.
pub(super) fn apply(table: &mut Table, set: &str) -> Result<(), String> {
    let (path, value) = set.split_once('=').ok_or("path.to.key=value is accepted")?;
    let mut steps: Vec<&str> = path.trim().split('.').collect();
    let last = steps
        .pop()
        .filter(|last| !last.is_empty())
        .ok_or("the path is empty")?;
    let mut at = table;
    let mut steps = steps.into_iter();
    while let Some(step) = steps.next() {
        let next = at.entry(step).or_insert_with(|| Value::Table(Table::new()));
        at = match next {
            Value::Table(inner) => inner,
            Value::Array(list) => element(list, step, steps.next())?,
            _ => return Err(format!("{step} is a value, not a table")),
        };
    }
    match parse(value.trim()) {
        Some(value) => at.insert(last.to_owned(), value),
        None => at.remove(last),
    };
    Ok(())
}

fn element<'a>(list: &'a mut [Value], name: &str, step: Option<&str>) -> Result<&'a mut Table, String> {
    let step = step.ok_or(format!("{name} is a list: say which element"))?;
    let names: Vec<_> = list
        .iter()
        .map(|value| value.get("name").and_then(Value::as_str))
        .collect();
    let place = names
        .iter()
        .position(|known| *known == Some(step))
        .or_else(|| step.parse().ok());
    let known = names.iter().flatten().copied().collect::<Vec<_>>().join(", ");
    let found = place.and_then(|place| list.get_mut(place));
    found
        .and_then(Value::as_table_mut)
        .ok_or_else(|| format!("{name} has no {step}; there are {known}"))
}

fn parse(value: &str) -> Option<Value> {
    if value.is_empty() {
        return None;
    }
    let parsed = toml::from_str::<Table>(&format!("v = {value}")).ok();
    // More than one key: the value itself had a line break and is no single value.
    let parsed = parsed
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("v"));
    Some(parsed.unwrap_or_else(|| Value::String(value.to_owned())))
}
