//! Heads of HTTP/1.1 (RFC 9112): a request's as bytes, an answer's from bytes.

use std::mem::MaybeUninit;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header};

use super::Malformed;
use crate::upstream::Head;

/// Of an answer.
const FIELDS_MAX: usize = 128;
pub const HEAD_BYTES_MAX: usize = 128 * 1024;
/// What most heads have room in.
const USUAL_BYTES: usize = 768;

/// How a request's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    Empty,
    Exactly(u64),
    Chunked,
}

/// How an answer's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Exactly(u64),
    Chunked,
    UntilClose,
    /// The connection becomes something else.
    Upgrade,
}

#[derive(Debug)]
pub struct AnswerHead {
    pub response: Response<()>,
    pub framing: Framing,
    /// Whether the connection may be used again.
    pub keeps: bool,
}

/// The head as it is sent. What it says of its body's length comes from the body alone.
pub fn encode(head: &Head, body: Length) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(USUAL_BYTES);
    bytes.put_slice(head.method.as_str().as_bytes());
    bytes.put_slice(b" ");
    bytes.put_slice(
        head.target
            .path_and_query()
            .map_or("/", |target| target.as_str())
            .as_bytes(),
    );
    bytes.put_slice(b" HTTP/1.1\r\n");
    let mut said = false;
    for (name, value) in &head.headers {
        if name == header::CONTENT_LENGTH {
            said = true;
        } else if name != header::TRANSFER_ENCODING {
            field(&mut bytes, name.as_str(), value.as_bytes());
        }
    }
    match body {
        Length::Empty if said => field(&mut bytes, "content-length", b"0"),
        Length::Empty => {}
        Length::Exactly(length) => field(&mut bytes, "content-length", length.to_string().as_bytes()),
        Length::Chunked => field(&mut bytes, "transfer-encoding", b"chunked"),
    }
    bytes.put_slice(b"\r\n");
    bytes
}

fn field(bytes: &mut BytesMut, name: &str, value: &[u8]) {
    bytes.reserve(name.len() + value.len() + 4);
    bytes.put_slice(name.as_bytes());
    bytes.put_slice(b": ");
    bytes.put_slice(value);
    bytes.put_slice(b"\r\n");
}

/// Takes an answer's head from what was read; None while it is not whole. Answers that only announce another one
/// (1xx) are passed over.
pub fn parse(input: &mut BytesMut, asked: &Method) -> Result<Option<AnswerHead>, Malformed> {
    loop {
        let Some(head) = parse_one(input, asked)? else {
            return if input.len() > HEAD_BYTES_MAX {
                Err(Malformed("its head is too large"))
            } else {
                Ok(None)
            };
        };
        let status = head.response.status();
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(head));
        }
    }
}

/// Whether what was read from a place on may have made a head whole: they end with an empty line.
pub fn may_be_whole(input: &[u8], from: usize) -> bool {
    let read = &input[from.saturating_sub(2)..];
    (0..read.len()).any(|at| read[at..].starts_with(b"\n\n") || read[at..].starts_with(b"\n\r\n"))
}

fn parse_one(input: &mut BytesMut, asked: &Method) -> Result<Option<AnswerHead>, Malformed> {
    if matches!(input.first(), Some(b'\r' | b'\n')) {
        return Err(Malformed("it begins with an empty line"));
    }
    // Where in the input each field's value is.
    let mut places = [(0u32, 0u32); FIELDS_MAX];
    let mut headers = HeaderMap::new();
    let mut names: Vec<HeaderName> = Vec::new();
    let (length, status, is_http11) = {
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let begin = input.as_ptr() as usize;
        let outcome =
            httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, input, &mut fields);
        let length = match outcome {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Malformed("it has too many fields")),
            Err(_) => return Err(Malformed("its head cannot be read")),
        };
        names.reserve_exact(parsed.headers.len());
        for (field, place) in parsed.headers.iter().zip(&mut places) {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed("a field has no name"))?;
            names.push(name);
            let from = (field.value.as_ptr() as usize - begin) as u32;
            *place = (from, from + field.value.len() as u32);
        }
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
        (
            length,
            status.ok_or(Malformed("it has no status"))?,
            parsed.version == Some(1),
        )
    };
    let bytes = input.split_to(length).freeze();
    headers.reserve(names.len());
    for (name, (from, to)) in names.into_iter().zip(places) {
        headers.append(name, value(bytes.slice(from as usize..to as usize))?);
    }
    let framing = framing(&mut headers, status, asked, is_http11)?;
    let keeps = is_http11 && framing != Framing::UntilClose && !says_close(&headers);
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    *response.version_mut() = if is_http11 { Version::HTTP_11 } else { Version::HTTP_10 };
    Ok(Some(AnswerHead {
        response,
        framing,
        keeps,
    }))
}

fn value(bytes: Bytes) -> Result<HeaderValue, Malformed> {
    HeaderValue::from_maybe_shared(bytes).map_err(|_| Malformed("a field's value cannot be read"))
}

/// RFC 9112, section 6.3.
fn framing(headers: &mut HeaderMap, status: StatusCode, asked: &Method, is_http11: bool) -> Result<Framing, Malformed> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(Framing::Upgrade);
    }
    let bodyless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if *asked == Method::HEAD || bodyless || status.is_informational() {
        return Ok(Framing::Exactly(0));
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        if !chunked || !is_http11 {
            return Err(Malformed("its transfer coding is not known"));
        }
        // One of the two lies, and the next reader must not believe it.
        headers.remove(header::CONTENT_LENGTH);
        return Ok(Framing::Chunked);
    }
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let digits = value
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let stated: Option<u64> = digits.and_then(|digits| digits.parse().ok());
        match (stated, length) {
            (None, _) => return Err(Malformed("its length cannot be read")),
            (Some(stated), Some(before)) if stated != before => return Err(Malformed("it has two lengths")),
            (Some(stated), _) => length = Some(stated),
        }
    }
    Ok(length.map_or(Framing::UntilClose, Framing::Exactly))
}

fn says_close(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONNECTION).iter().any(|value| {
        let mut words = value.as_bytes().split(|byte| *byte == b',');
        words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"))
    })
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    fn read(text: &str) -> Result<Option<AnswerHead>, Malformed> {
        parse(&mut BytesMut::from(text), &Method::GET)
    }

    #[test]
    fn an_answer_begins_with_its_status() {
        for text in ["\r\n", "\nHTTP/1.1 200 OK\r\n\r\n"] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_an_empty_line_makes_a_head_whole() {
        let text = b"HTTP/1.1 200 OK\r\na: b\r\n\r\n";
        let whole = |end| may_be_whole(&text[..end], end - 1);
        assert_eq!(
            (1..=text.len()).filter(|end| whole(*end)).collect::<Vec<_>>(),
            [text.len()]
        );
        assert!(may_be_whole(text, 0) && may_be_whole(b"a\n\n", 2));
    }

    fn framed(fields: &str) -> Result<Framing, Malformed> {
        read(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).map(|head| head.unwrap().framing)
    }

    #[test]
    fn a_head_says_how_long_its_body_is_and_nothing_else_does() {
        let head = Head {
            method: Method::POST,
            target: Uri::from_static("/a?b=c"),
            headers: [("content-length", "99"), ("transfer-encoding", "gzip"), ("a", "b")]
                .into_iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect(),
        };
        for (body, field) in [
            (Length::Empty, "content-length: 0"),
            (Length::Exactly(7), "content-length: 7"),
            (Length::Chunked, "transfer-encoding: chunked"),
        ] {
            let text = String::from_utf8(encode(&head, body).to_vec()).unwrap();
            assert_eq!(text, format!("POST /a?b=c HTTP/1.1\r\na: b\r\n{field}\r\n\r\n"));
        }
    }

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let text = "HTTP/1.1 200 OK\r\nA: b\r\nconnection: Keep-Alive, Close\r\ncontent-length: 3\r\n\r\nabc";
        for end in 0..text.len() - 3 {
            assert!(read(&text[..end]).unwrap().is_none(), "{end}");
        }
        let mut input = BytesMut::from(text);
        let head = parse(&mut input, &Method::GET).unwrap().unwrap();
        assert_eq!((head.framing, head.keeps), (Framing::Exactly(3), false));
        assert_eq!(
            (&head.response.headers()["a"], &input[..]),
            (&HeaderValue::from_static("b"), &b"abc"[..])
        );
    }

    #[test]
    fn what_only_announces_an_answer_is_passed_over() {
        let head = read("HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 204 None\r\n\r\n");
        let head = head.unwrap().unwrap();
        assert_eq!(
            (head.response.status(), head.framing, head.keeps),
            (StatusCode::NO_CONTENT, Framing::Exactly(0), true)
        );
        assert!(head.response.headers().is_empty());
        assert_eq!(
            read("HTTP/1.1 101 Else\r\n\r\n").unwrap().unwrap().framing,
            Framing::Upgrade
        );
    }

    #[test]
    fn a_body_ends_in_one_way_only() {
        assert_eq!(framed(""), Ok(Framing::UntilClose));
        assert_eq!(
            framed("content-length: 5\r\nContent-Length: 5\r\n"),
            Ok(Framing::Exactly(5))
        );
        assert_eq!(
            framed("transfer-encoding: Chunked\r\ncontent-length: 5\r\n"),
            Ok(Framing::Chunked)
        );
        for wrong in [
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: 5, 5\r\n",
            "content-length: +5\r\n",
            "content-length: -1\r\n",
            "content-length:\r\n",
            "content-length: 99999999999999999999\r\n",
            "transfer-encoding: gzip\r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        ] {
            assert!(framed(wrong).is_err(), "{wrong}");
        }
        assert!(read("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        let mut input = BytesMut::from("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
        assert_eq!(
            parse(&mut input, &Method::HEAD).unwrap().unwrap().framing,
            Framing::Exactly(0)
        );
    }

    #[test]
    fn what_is_no_answer_and_what_is_too_much_of_one_is_refused() {
        assert!(read("GET / HTTP/1.1\r\n\r\n").is_err());
        assert!(read("HTTP/1.1 200 OK\r\na\0: b\r\n\r\n").is_err());
        assert!(read(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX + 1))).is_err());
        assert!(read(&format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(HEAD_BYTES_MAX))).is_err());
    }
}
