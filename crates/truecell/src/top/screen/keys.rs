#![expect(clippy::wildcard_enum_match_arm, reason = "most keys mean nothing")]

use super::{Details, Mode, Next, Screen, Sort};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

impl Screen {
    /// Does what a key means.
    pub(crate) fn press(&mut self, key: KeyEvent) -> Next {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Next::Quit } else { Next::Stay };
        }
        match self.mode {
            Mode::Table => return self.press_in_table(key.code),
            Mode::Details => return self.press_in_details(key.code),
            Mode::Filter => self.press_in_filter(key.code),
            Mode::Sort => self.press_in_sort(key.code),
            Mode::Help => self.mode = Mode::Table,
        }
        Next::Stay
    }

    fn press_in_table(&mut self, key: KeyCode) -> Next {
        match key {
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char('s') => self.mode = Mode::Sort,
            KeyCode::Char('r') => {
                self.reversed = !self.reversed;
                self.arrange();
            }
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Esc => self.narrow(String::new()),
            KeyCode::Enter => self.open(),
            key => {
                self.travel(key);
            }
        }
        Next::Stay
    }

    fn press_in_details(&mut self, key: KeyCode) -> Next {
        match key {
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Esc | KeyCode::Enter => self.mode = Mode::Table,
            key if self.travel(key) => self.open(),
            _ => (),
        }
        Next::Stay
    }

    fn press_in_filter(&mut self, key: KeyCode) {
        let mut filter = self.filter.clone();
        match key {
            KeyCode::Enter => self.mode = Mode::Table,
            KeyCode::Esc => {
                self.mode = Mode::Table;
                self.narrow(String::new());
            }
            KeyCode::Backspace => {
                filter.pop();
                self.narrow(filter);
            }
            KeyCode::Char(letter) => {
                filter.push(letter);
                self.narrow(filter);
            }
            _ => (),
        }
    }

    fn press_in_sort(&mut self, key: KeyCode) {
        let chosen = Sort::ALL.into_iter().find(|sort| key == KeyCode::Char(sort.key()));
        if let Some(sort) = chosen {
            (self.sort, self.reversed) = (sort, false);
            self.arrange();
        }
        self.mode = Mode::Table;
    }

    fn narrow(&mut self, filter: String) {
        self.filter = filter;
        self.arrange();
    }

    /// Shows the details of the selected tunnel.
    fn open(&mut self) {
        let cursor = self.cursor();
        let Some(id) = self.tunnels().nth(cursor).map(|tunnel| tunnel.brief.id) else { return };
        if !matches!(&self.details, Details::Known { session, .. } if session.id == id) {
            self.details = Details::NotYet;
        }
        (self.selected, self.mode) = (Some(id), Mode::Details);
    }

    /// Moves the selection, if that is what the key means.
    fn travel(&mut self, key: KeyCode) -> bool {
        let (cursor, last) = (self.cursor(), self.rows.len().saturating_sub(1));
        let to = match key {
            KeyCode::Up | KeyCode::Char('k') => cursor.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => cursor + 1,
            KeyCode::PageUp => cursor.saturating_sub(self.page),
            KeyCode::PageDown => cursor + self.page,
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            _ => return false,
        };
        let to = to.min(last);
        let id = self.tunnels().nth(to).map(|tunnel| tunnel.brief.id);
        // At the top the selection stays there, whoever comes first next.
        self.selected = id.filter(|_| to > 0);
        true
    }
}
