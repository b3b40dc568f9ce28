use super::{
    look::{Away, Look, Watch},
    screen::{Next, Screen},
    view::{self, Theme},
};
use crate::failure::Failure;
use gateway::SessionView;
use ids::{SessionId, UnixTime};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEventKind},
};
use std::{io, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// What the looking task tells the screen.
enum News {
    Look(Box<Result<Look, Away>>),
    Details(SessionId, Box<Option<SessionView>>),
}

/// Shows the node until the person quits or the process is told to end.
pub(crate) async fn run(watch: Watch, mut screen: Screen, interval: Duration) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::system("the terminal cannot be used", &error);
    let stop = stopped().map_err(failed)?;
    let terminal = ratatui::try_init().map_err(failed)?;
    let shown = show(watch, &mut screen, interval, terminal, stop).await;
    ratatui::restore();
    shown.map_err(failed)
}

async fn show(
    watch: Watch,
    screen: &mut Screen,
    interval: Duration,
    mut terminal: DefaultTerminal,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let theme =
        Theme { coloured: anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never };
    let (look_at, looked_at) = watch::channel(None);
    let (tell, mut news) = mpsc::channel(1);
    let looking = tokio::spawn(keep_looking(watch, interval, looked_at, tell));
    let mut events = events();
    tokio::pin!(stop);
    loop {
        terminal.draw(|frame| view::draw(screen, theme, frame.area(), frame.buffer_mut()))?;
        tokio::select! {
            () = &mut stop => break,
            event = events.recv() => match event {
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    if screen.press(key) == Next::Quit {
                        break;
                    }
                    look_at.send_if_modified(|at| std::mem::replace(at, screen.looked_at()) != screen.looked_at());
                }
                Some(_) => (),
                // The terminal went away.
                None => break,
            },
            Some(news) = news.recv() => match news {
                News::Look(look) => match *look {
                    Ok(look) => screen.see(look),
                    Err(away) => screen.miss(&away, UnixTime::now()),
                },
                News::Details(id, session) => screen.learn(id, *session),
            },
        }
    }
    looking.abort();
    Ok(())
}

/// Looks at the node each `interval`, and at one tunnel when asked to and after each look.
async fn keep_looking(
    mut watch: Watch,
    interval: Duration,
    mut looked_at: watch::Receiver<Option<SessionId>>,
    tell: mpsc::Sender<News>,
) {
    let mut next = Instant::now() + interval;
    loop {
        let is_time = tokio::select! {
            () = sleep_until(next) => true,
            changed = looked_at.changed() => match changed {
                Ok(()) => false,
                Err(_) => return,
            },
        };
        if is_time {
            let look = watch.look().await;
            next = (next + interval).max(Instant::now());
            if tell.send(News::Look(Box::new(look))).await.is_err() {
                return;
            }
        }
        let asked = *looked_at.borrow_and_update();
        // Without an answer the next look says so.
        if let Some(id) = asked
            && let Ok(session) = watch.details(id).await
            && tell.send(News::Details(id, Box::new(session))).await.is_err()
        {
            return;
        }
    }
}

/// Keys and changes of size, from a thread of their own: reading them blocks.
fn events() -> mpsc::Receiver<Event> {
    let (tell, events) = mpsc::channel(64);
    std::thread::spawn(move || {
        while let Ok(event) = event::read()
            && tell.blocking_send(event).is_ok()
        {}
    });
    events
}

/// Completes once the process is told to end, so that the terminal is left as it was.
fn stopped() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
            _ = hang_up.recv() => (),
        }
    })
}
