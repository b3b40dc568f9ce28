use crate::Problem;
use axum::{extract::Request, middleware::Next, response::Response};
use serde::{Deserialize, Serialize};

/// What a caller may do; each role may all that the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks, and stops a unit: suspend, lost, cut.
    Operator,
    /// Adds, retires, issues, brings back.
    Admin,
}

/// Who asks, as the transport knows; never from the request itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What they may do.
    pub role: Role,
    /// Name for the record: the system's user name.
    pub name: String,
}

impl Caller {
    /// The user behind a control socket. `own_uid` is this process's. Others can only have connected
    /// through the group's permission on the socket, so they operate.
    pub fn of_peer(uid: u32, own_uid: u32) -> Self {
        let role = if uid == 0 || uid == own_uid { Role::Admin } else { Role::Operator };
        Self { role, name: user_name(uid) }
    }

    /// The user of this very process, who holds the data directory.
    pub fn here() -> Self {
        Self { role: Role::Admin, name: user_name(rustix::process::geteuid().as_raw()) }
    }
}

/// From /etc/passwd; `uid:N` for users that are kept elsewhere.
fn user_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    name_in(&passwd, uid).unwrap_or_else(|| format!("uid:{uid}"))
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// Lets a request through when its caller's role reaches `needs`; without a caller nobody passes.
pub(crate) async fn authorize(needs: Role, request: Request, next: Next) -> Response {
    use axum::response::IntoResponse;
    let Some(caller) = request.extensions().get::<Caller>() else {
        return Problem::ours("a request without a caller").into_response();
    };
    if caller.role < needs {
        return Problem::forbidden(format!("user \"{}\" may not do this", caller.name))
            .because(format!("it needs the role {}, yours is {}", needs.word(), caller.role.word()))
            .next("ask root, or the user that the gateway runs as")
            .into_response();
    }
    next.run(request).await
}

impl Role {
    /// As it is written in documents and answers.
    pub fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_own_user_administer_and_others_operate() {
        assert_eq!(Caller::of_peer(0, 990).role, Role::Admin);
        assert_eq!(Caller::of_peer(990, 990).role, Role::Admin);
        assert_eq!(Caller::of_peer(1000, 990).role, Role::Operator);
        assert_eq!(Caller::of_peer(1000, 0).role, Role::Operator);
    }

    #[test]
    fn a_user_is_named_as_the_system_names_it() {
        let passwd = "root:x:0:0::/root:/bin/sh\ncarol:x:1000:1000::/home/carol:/bin/sh\n";
        assert_eq!(name_in(passwd, 1000).as_deref(), Some("carol"));
        assert_eq!(name_in(passwd, 10), None);
    }
}
