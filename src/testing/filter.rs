//! The `$filter` language, as far as the service is known to read it: a parser that says where it
//! stopped.

use super::condition::{Expr, Function, Operator, comparable, shown};
use super::lexer::{Token, Unreadable, tokens, unreadable};
use super::schema::{self, Kind, Row, Scalar};

/// How deep parentheses, `not` and `any` may nest.
const MAX_DEPTH: usize = 64;

/// A condition on machines.
#[derive(Debug)]
pub(super) struct Filter(Expr);

impl Filter {
    /// Reads a filter; the error says what is wrong and at which character.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parsed = tokens(text).and_then(|tokens| {
            let end = text.len();
            let mut parser = Parser {
                tokens,
                next: 0,
                end,
                depth: 0,
                variables: Vec::new(),
            };
            parser.filter()
        });
        parsed.map(Self).map_err(|Unreadable { at, what }| {
            let position = text
                .bytes()
                .take(at)
                .filter(|byte| byte & 0xC0 != 0x80)
                .count()
                + 1;
            format!("The $filter can't be read at character {position}: {what}.")
        })
    }

    pub(super) fn matches(&self, row: &Row) -> bool {
        matches!(self.0.value(row, &mut Vec::new()), Scalar::Bool(true))
    }
}

struct Parser<'t> {
    tokens: Vec<(usize, Token<'t>)>,
    next: usize,
    /// Length of the text, which is where a missing token is.
    end: usize,
    depth: usize,
    /// Names bound by the enclosing `any`, outermost first.
    variables: Vec<&'t str>,
}

impl<'t> Parser<'t> {
    fn filter(&mut self) -> Result<Expr, Unreadable> {
        let condition = self.condition()?;
        match self.tokens.get(self.next) {
            None => Ok(condition),
            Some((at, _)) => unreadable(*at, "'and', 'or' or the end is expected"),
        }
    }

    /// An expression with a truth value, `or` binding weakest.
    fn condition(&mut self) -> Result<Expr, Unreadable> {
        let at = self.at();
        let condition = self.any_expression()?;
        if condition.kind() != Kind::Bool {
            return unreadable(at, "a condition is expected, this is a value");
        }
        Ok(condition)
    }

    fn any_expression(&mut self) -> Result<Expr, Unreadable> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return unreadable(self.at(), format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let expression = self.joined("or", Expr::Or, |parser| {
            parser.joined("and", Expr::And, Self::comparison)
        });
        self.depth -= 1;
        expression
    }

    fn joined(
        &mut self,
        word: &str,
        join: fn(Vec<Expr>) -> Expr,
        part: impl Fn(&mut Self) -> Result<Expr, Unreadable>,
    ) -> Result<Expr, Unreadable> {
        let at = self.at();
        let first = part(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        let mut parts = vec![(at, first)];
        while self.is_word(word) {
            self.next += 1;
            parts.push((self.at(), part(self)?));
        }
        match parts.iter().find(|(_, part)| part.kind() != Kind::Bool) {
            Some((at, _)) => unreadable(*at, format!("'{word}' joins conditions, this is a value")),
            None => Ok(join(parts.into_iter().map(|(_, part)| part).collect())),
        }
    }

    fn comparison(&mut self) -> Result<Expr, Unreadable> {
        let left = self.unary()?;
        let at = self.at();
        let word = match self.word() {
            None | Some("and" | "or") => return Ok(left),
            Some(word) => word,
        };
        let Some(operator) = Operator::named(word) else {
            return unreadable(at, format!("there is no operator '{word}' here"));
        };
        self.next += 1;
        let right = self.unary()?;
        comparable(operator, &left, &right).or_else(|what| unreadable(at, what))?;
        Ok(Expr::Compare(operator, Box::new(left), Box::new(right)))
    }

    /// `not` binds tighter than a comparison: `not (a eq b)` needs its parentheses.
    fn unary(&mut self) -> Result<Expr, Unreadable> {
        if !self.is_word("not") {
            return self.primary();
        }
        let at = self.at();
        self.next += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return unreadable(at, format!("nested deeper than {MAX_DEPTH} levels"));
        }
        let part = self.unary()?;
        self.depth -= 1;
        if part.kind() != Kind::Bool {
            return unreadable(at, "'not' needs a condition: put it in parentheses");
        }
        Ok(Expr::Not(Box::new(part)))
    }

    fn primary(&mut self) -> Result<Expr, Unreadable> {
        let at = self.at();
        let Some((_, token)) = self.tokens.get(self.next).cloned() else {
            return unreadable(at, "a condition or a value is missing");
        };
        self.next += 1;
        match token {
            Token::Quoted(text) => Ok(Expr::Text(text)),
            Token::Mark('(') => {
                let inner = self.any_expression()?;
                self.expect(')')?;
                Ok(inner)
            }
            Token::Mark(mark) => unreadable(at, format!("'{mark}' is not expected")),
            Token::Word(word) if self.is_mark('(') => self.call(at, word),
            Token::Word(word) if self.is_mark('/') => self.any(at, word),
            Token::Word(word) => self.named(at, word),
        }
    }

    fn call(&mut self, at: usize, name: &str) -> Result<Expr, Unreadable> {
        let Some(function) = Function::named(name) else {
            return unreadable(at, format!("there is no function '{name}' here"));
        };
        self.expect('(')?;
        let text = self.text()?;
        self.expect(',')?;
        let part = self.text()?;
        self.expect(')')?;
        Ok(Expr::Call(function, Box::new(text), Box::new(part)))
    }

    /// An argument of a function.
    fn text(&mut self) -> Result<Expr, Unreadable> {
        let at = self.at();
        let argument = match self.tokens.get(self.next).cloned() {
            Some((_, Token::Quoted(text))) => Expr::Text(text),
            Some((_, Token::Word(word))) => self.named(at, word)?,
            _ => return unreadable(at, "a property or a quoted text is expected"),
        };
        self.next += 1;
        match argument.kind() {
            Kind::Text | Kind::Null => Ok(argument),
            kind => unreadable(
                at,
                format!("the function works on text, not on {}", shown(kind)),
            ),
        }
    }

    fn any(&mut self, at: usize, name: &'t str) -> Result<Expr, Unreadable> {
        let property = match self.named(at, name)? {
            Expr::Property(property) if property.kind == Kind::Texts => property,
            _ => return unreadable(at, format!("'{name}' is not a collection")),
        };
        self.expect('/')?;
        if !self.is_word("any") {
            return unreadable(self.at(), "'any' is expected");
        }
        self.next += 1;
        self.expect('(')?;
        if self.is_mark(')') {
            self.next += 1;
            return Ok(Expr::Any(property, None));
        }
        let at = self.at();
        let Some(variable) = self.word().filter(|word| is_name(word)) else {
            return unreadable(at, "the name of a range variable is expected");
        };
        self.next += 1;
        self.expect(':')?;
        self.variables.push(variable);
        let condition = self.condition()?;
        self.variables.pop();
        self.expect(')')?;
        Ok(Expr::Any(property, Some(Box::new(condition))))
    }

    /// A literal without quotes, a range variable or a property.
    fn named(&self, at: usize, word: &str) -> Result<Expr, Unreadable> {
        if let Some(n) = self
            .variables
            .iter()
            .rposition(|variable| *variable == word)
        {
            return Ok(Expr::Variable(n));
        }
        let literal = match word {
            "null" => Some(Scalar::Null),
            "true" => Some(Scalar::Bool(true)),
            "false" => Some(Scalar::Bool(false)),
            _ => schema::guid(word)
                .map(Scalar::Guid)
                .or_else(|| schema::date(word).map(Scalar::Date))
                .or_else(|| schema::number(word).map(Scalar::Number)),
        };
        if let Some(literal) = literal {
            return Ok(Expr::Fixed(literal));
        }
        if !is_name(word) {
            return unreadable(at, format!("'{word}' is not a number, a date or a GUID"));
        }
        match schema::property(word) {
            Some(property) if property.filterable => Ok(Expr::Property(property)),
            Some(_) => unreadable(at, format!("the property '{word}' can't be filtered on")),
            None => unreadable(at, format!("a machine has no property '{word}'")),
        }
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn word(&self) -> Option<&'t str> {
        match self.tokens.get(self.next) {
            Some((_, Token::Word(word))) => Some(word),
            _ => None,
        }
    }

    fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    fn is_mark(&self, mark: char) -> bool {
        matches!(self.tokens.get(self.next), Some((_, Token::Mark(found))) if *found == mark)
    }

    fn expect(&mut self, mark: char) -> Result<(), Unreadable> {
        if !self.is_mark(mark) {
            return unreadable(self.at(), format!("'{mark}' is expected"));
        }
        self.next += 1;
        Ok(())
    }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !word.contains(['-', '.'])
}

#[cfg(test)]
mod tests;
