use std::{fs, io};

/// The number of a group: itself, or by its name in /etc/group.
pub(crate) fn number(group: &str) -> io::Result<u32> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    number_in(&fs::read_to_string("/etc/group")?, group).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("there is no group {group} in /etc/group"))
    })
}

fn number_in(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_name_or_is_a_number_already() {
        let groups = "root:x:0:\ntruecell:x:991:carol\n";
        assert_eq!(number_in(groups, "truecell"), Some(991));
        assert_eq!(number_in(groups, "carol"), None);
        assert_eq!(number("991").unwrap(), 991);
    }
}
