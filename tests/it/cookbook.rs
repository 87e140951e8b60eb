//! What the cookbook promises of its recipes as a whole; each by itself is run as a test of its page.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::sources::Source;

/// The lines of each recipe that a reader sees.
fn recipes() -> Vec<Vec<String>> {
    let page = Source::of("src/cookbook.rs").text;
    let (mut recipes, mut open) = (Vec::new(), None::<Vec<String>>);
    for line in page.lines() {
        let begins = line.starts_with("#![cfg_attr(feature = \"testing\", doc = \"```");
        let text = line.strip_prefix("//!").unwrap_or_default();
        let text = text.strip_prefix(' ').unwrap_or(text);
        match &mut open {
            None if begins || text == "```no_run" => open = Some(Vec::new()),
            Some(_) if text == "```" => recipes.extend(open.take()),
            Some(lines) if text != "#" && !text.starts_with("# ") && line.starts_with("//!") => {
                lines.push(text.to_owned());
            }
            _ => {}
        }
    }
    recipes
}

/// What stands between `use` and `;`.
fn uses(lines: &[String]) -> Vec<String> {
    let (mut uses, mut open) = (Vec::new(), None::<String>);
    for line in lines {
        let begun = open.take().map(|tree| tree + line);
        let tree = begun.or_else(|| line.strip_prefix("use ").map(str::to_owned));
        match tree {
            Some(tree) if tree.ends_with(';') => uses.push(tree.trim_end_matches(';').to_owned()),
            tree => open = tree,
        }
    }
    uses
}

/// The paths of a `use`, one by one.
fn paths(tree: &str) -> Vec<String> {
    let Some((path, rest)) = tree.split_once('{') else {
        return vec![tree.trim().to_owned()];
    };
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for letter in rest.trim_end().strip_suffix('}').unwrap().chars() {
        depth += i32::from(letter == '{') - i32::from(letter == '}');
        match letter {
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            letter => part.push(letter),
        }
    }
    parts.push(part);
    let inner = parts.iter().filter(|part| !part.trim().is_empty());
    inner
        .flat_map(|part| paths(part))
        .map(|inner| match inner.as_str() {
            "self" => path.trim().trim_end_matches("::").to_owned(),
            inner => format!("{}{inner}", path.trim()),
        })
        .collect()
}

#[test]
fn recipes_go_together_in_one_file() {
    let recipes = recipes();
    assert!(recipes.len() > 20, "{}", recipes.len());
    let (mut items, mut imported) = (BTreeSet::new(), BTreeMap::new());
    for lines in &recipes {
        for line in lines {
            let words = ["fn ", "struct ", "static ", "const "];
            let item = words.iter().find_map(|word| line.strip_prefix(word));
            if let Some(item) = item {
                let name = item.split(|c: char| !c.is_alphanumeric() && c != '_');
                let name = name.into_iter().next().unwrap().to_owned();
                assert!(items.insert(name), "twice: {line}");
            }
        }
        for path in uses(lines).iter().flat_map(|tree| paths(tree)) {
            let name = path.rsplit("::").next().unwrap().to_owned();
            let before = imported.entry(name).or_insert_with(|| path.clone());
            assert_eq!(*before, path, "two of one name");
        }
    }
    for name in ["write_csv", "exit_code", "STOP"] {
        assert!(items.contains(name), "{name} is not found");
    }
    assert_eq!(imported["Error"], "defender_endpoint::Error");
    assert_eq!(imported["Duration"], "std::time::Duration");
    let clash = items.iter().find(|name| imported.contains_key(*name));
    assert_eq!(clash, None, "an item and an import of that name");
}
