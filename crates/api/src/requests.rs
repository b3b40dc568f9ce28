use crate::Problem;
use ids::Sha256;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use zeroize::Zeroizing;

/// Answers to requests that named themselves by a `request_id`, so that one that is sent again gets the
/// same answer and does nothing twice.
///
/// Remembers the last [`REMEMBERED`] of this process. After a restart a repeated request is judged by
/// what it finds: adding the same unit or moving it where it is changes nothing either.
///
/// What has begun is finished, and remembered, also when the caller goes away meanwhile. Clones share.
#[derive(Clone, Debug, Default)]
pub struct Requests(Arc<Mutex<Seen>>);

/// Octets of a name, with what it is about.
const LONGEST_NAME: usize = 200;
/// Answers kept; the oldest goes first.
pub const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
struct Seen {
    answers: HashMap<String, Answer>,
    order: VecDeque<String>,
}

#[derive(Debug)]
struct Answer {
    body: Sha256,
    /// JSON, which may hold a private key; `None` while the first request is under way.
    answer: Option<Zeroizing<Vec<u8>>>,
}

impl Requests {
    /// Does `work` unless a request of this name has done it; only a success counts as done.
    ///
    /// # Errors
    /// `request-reused` (409) when the name came with another body, `request-under-way` (409) while
    /// the first one is not finished, or what `work` returns.
    pub async fn once<B, A>(
        &self,
        name: Option<&str>,
        body: &B,
        work: impl Future<Output = Result<A, Problem>> + Send + 'static,
    ) -> Result<A, Problem>
    where
        B: Serialize,
        A: Serialize + DeserializeOwned + Send + 'static,
    {
        let Some(name) = name else { return work.await };
        if let Some(answer) = self.start(name, hash(body)?)? {
            return serde_json::from_slice(&answer)
                .map_err(|_| Problem::ours("a kept answer cannot be read"));
        }
        let running = Running { requests: self.clone(), name: name.to_owned() };
        let done = tokio::spawn(async move {
            let answer = work.await?;
            let bytes = serde_json::to_vec(&answer);
            running.finish(bytes.map_err(|_| Problem::ours("an answer cannot be written"))?.into());
            Ok(answer)
        });
        done.await.map_err(|_| Problem::ours("the work broke off"))?
    }

    /// The kept answer, or `None` when the work is to be done now.
    fn start(&self, name: &str, body: Sha256) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
        if name.len() > LONGEST_NAME {
            let why = format!("a request_id has at most {LONGEST_NAME} octets");
            return Err(Problem::invalid(why).next("send a UUID, or none"));
        }
        let mut seen = self.seen();
        if let Some(known) = seen.answers.get(name) {
            return known.again(name, body).map(Some);
        }
        seen.answers.insert(name.to_owned(), Answer { body, answer: None });
        seen.order.push_back(name.to_owned());
        if seen.order.len() > REMEMBERED
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.answers.remove(&oldest);
        }
        Ok(None)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn again(&self, name: &str, body: Sha256) -> Result<Zeroizing<Vec<u8>>, Problem> {
        if self.body != body {
            return Err(Problem::conflict("request-reused", format!("the request {name} was another one"))
                .because("the same request_id came before with another body")
                .next("give each request its own request_id"));
        }
        self.answer.clone().ok_or_else(|| {
            Problem::conflict("request-under-way", format!("the request {name} is still under way"))
                .next("ask again in a moment")
        })
    }
}

/// Forgets the request if its work fails or is abandoned.
struct Running {
    requests: Requests,
    name: String,
}

impl Running {
    fn finish(self, answer: Zeroizing<Vec<u8>>) {
        if let Some(known) = self.requests.seen().answers.get_mut(&self.name) {
            known.answer = Some(answer);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut seen = self.requests.seen();
        if seen.answers.get(&self.name).is_some_and(|known| known.answer.is_none()) {
            seen.answers.remove(&self.name);
            seen.order.retain(|name| *name != self.name);
        }
    }
}

fn hash(body: &impl Serialize) -> Result<Sha256, Problem> {
    let bytes = serde_json::to_vec(body).map_err(|_| Problem::ours("a request cannot be compared"))?;
    Ok(Sha256::of(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no() -> Problem {
        Problem::invalid("no")
    }

    #[tokio::test]
    async fn a_repeated_request_gets_the_first_answer_and_does_nothing() {
        let requests = Requests::default();
        assert_eq!(requests.once(Some("a"), &1, async { Ok(5) }).await, Ok(5));
        assert_eq!(requests.once(Some("a"), &1, async { Ok(6) }).await, Ok(5));
        assert_eq!(requests.once(None, &1, async { Ok(7) }).await, Ok(7));
    }

    #[tokio::test]
    async fn a_name_with_another_body_is_a_conflict() {
        let requests = Requests::default();
        assert_eq!(requests.once(Some("a"), &1, async { Ok(5) }).await, Ok(5));
        let refused = requests.once(Some("a"), &2, async { Ok(6) }).await.unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (409, "request-reused"));
    }

    #[tokio::test]
    async fn a_name_that_would_fill_the_memory_is_refused_and_not_kept() {
        let requests = Requests::default();
        let refused = requests.once(Some(&"x".repeat(201)), &1, async { Ok(5) }).await.unwrap_err();
        assert_eq!(refused.status, 422);
        assert!(requests.seen().answers.is_empty());
        assert_eq!(requests.once(Some(&"x".repeat(200)), &1, async { Ok(5) }).await, Ok(5));
    }

    #[tokio::test]
    async fn a_failed_request_may_be_tried_again() {
        let requests = Requests::default();
        assert_eq!(requests.once(Some("a"), &1, async { Err::<i32, _>(no()) }).await, Err(no()));
        assert_eq!(requests.once(Some("a"), &1, async { Ok(5) }).await, Ok(5));
    }

    #[tokio::test]
    async fn the_same_request_at_the_same_time_is_a_conflict() {
        let requests = Requests::default();
        let again = requests.clone();
        let inner =
            async move { Err::<i32, _>(again.once(Some("a"), &1, async { Ok(5) }).await.unwrap_err()) };
        let refused = requests.once(Some("a"), &1, inner).await.unwrap_err();
        assert_eq!((refused.status, refused.code.as_str()), (409, "request-under-way"));
    }
    #[tokio::test]
    async fn who_goes_away_and_asks_again_gets_the_answer_of_the_work_that_went_on() {
        let requests = Requests::default();
        let (release, released) = tokio::sync::oneshot::channel();
        {
            let first = requests.once(Some("a"), &1, async { Ok(released.await.unwrap_or(0)) });
            tokio::pin!(first);
            tokio::select! {
                biased;
                _ = &mut first => panic!("nobody has released it"),
                () = tokio::task::yield_now() => (),
            }
        }
        let under_way = requests.once(Some("a"), &1, async { Ok(6) }).await.unwrap_err();
        assert_eq!(under_way.code, "request-under-way");
        release.send(5).unwrap();
        let again = loop {
            match requests.once(Some("a"), &1, async { Ok(7) }).await {
                Err(problem) if problem.code == "request-under-way" => tokio::task::yield_now().await,
                done => break done,
            }
        };
        assert_eq!(again, Ok(5));
    }
}
