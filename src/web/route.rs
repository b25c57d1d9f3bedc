//! Routes of the scan API and the kiosk page: method and path → [`Route`].

use super::RequestError;

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `GET /` and `GET /kiosk`
    Page,
    /// `GET /kiosk/app.js`
    Script,
    /// `GET /kiosk/scanner.js`
    Scanner,
    /// `GET /kiosk/words.js`
    Words,
    /// `GET /kiosk/style.css`
    Style,
    /// `GET /kiosk/config.json`
    Settings,
    /// `POST /api/scan`
    Scan,
    /// `POST /api/scan/image`
    ScanImage,
    /// `POST /api/scan/speech`
    ScanSpeech,
    /// `POST /api/rate`
    Rate,
    /// `GET /health`
    Health,
    /// `GET /metrics`
    Metrics,
    /// `GET /flow.svg`: the live flow as a diagram, with the calls of the last day.
    FlowDiagram,
}

/// The body that a route expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// GET: there is none.
    None,
    /// A JSON object.
    Json,
    /// A photograph: JPEG, PNG or WebP.
    Image,
}

/// Finds the route of a request; `HEAD` is accepted wherever `GET` is.
///
/// # Errors
/// [`RequestError::NotFound`] for an unknown path, [`RequestError::Method`] for the wrong method.
pub fn route(method: &str, path: &str) -> Result<Route, RequestError> {
    let route = match path {
        "/api/scan" => Route::Scan,
        "/" | "/kiosk" | "/kiosk/" => Route::Page,
        "/kiosk/app.js" => Route::Script,
        "/kiosk/scanner.js" => Route::Scanner,
        "/kiosk/words.js" => Route::Words,
        "/kiosk/style.css" => Route::Style,
        "/kiosk/config.json" => Route::Settings,
        "/api/scan/image" => Route::ScanImage,
        "/api/scan/speech" => Route::ScanSpeech,
        "/api/rate" => Route::Rate,
        "/health" => Route::Health,
        "/metrics" => Route::Metrics,
        "/flow.svg" => Route::FlowDiagram,
        _ => return Err(RequestError::NotFound),
    };
    match (body_of(route), method) {
        (Body::None, "GET" | "HEAD") | (Body::Json | Body::Image, "POST") => Ok(route),
        (Body::None, _) => Err(RequestError::Method { allow: "GET, HEAD" }),
        (Body::Json | Body::Image, _) => Err(RequestError::Method { allow: "POST" }),
    }
}

/// The body that a route expects.
pub fn body_of(route: Route) -> Body {
    match route {
        Route::Page
        | Route::Script
        | Route::Scanner
        | Route::Words
        | Route::Style
        | Route::Settings
        | Route::Health
        | Route::Metrics
        | Route::FlowDiagram => Body::None,
        Route::Scan | Route::ScanSpeech | Route::Rate => Body::Json,
        Route::ScanImage => Body::Image,
    }
}

impl Body {
    /// Whether a Content-Type header names this kind of body.
    ///
    /// JSON must be declared: a form on another site cannot send that type without a preflight request (Fetch §4.8).
    ///
    /// # Errors
    /// [`RequestError::MediaType`] with the accepted types.
    pub fn check_type(self, content_type: Option<&str>) -> Result<(), RequestError> {
        let declared = content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
        let any = |types: &[&str]| types.iter().any(|accepted| declared.eq_ignore_ascii_case(accepted));
        match self {
            Body::None => Ok(()),
            Body::Json if any(&["application/json"]) => Ok(()),
            Body::Image if any(&PICTURES) => Ok(()),
            Body::Json => Err(RequestError::MediaType { want: "application/json" }),
            Body::Image => Err(RequestError::MediaType { want: "image/jpeg, image/png or image/webp" }),
        }
    }
}

/// The registered types, and what else clients call JPEG and PNG.
const PICTURES: [&str; 7] =
    ["image/jpeg", "image/jpg", "image/pjpeg", "image/png", "image/x-png", "image/webp", "application/octet-stream"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_method_and_another_one_gets_allow() {
        assert_eq!(route("GET", "/"), Ok(Route::Page));
        assert_eq!(route("HEAD", "/kiosk"), Ok(Route::Page));
        assert_eq!(route("POST", "/api/scan"), Ok(Route::Scan));
        assert_eq!(route("GET", "/api/scan"), Err(RequestError::Method { allow: "POST" }));
        assert_eq!(route("DELETE", "/health"), Err(RequestError::Method { allow: "GET, HEAD" }));
        assert_eq!(route("GET", "/api/scan/"), Err(RequestError::NotFound));
        assert_eq!(route("GET", "//"), Err(RequestError::NotFound));
        assert_eq!(route("GET", "/kiosk/../../etc/passwd"), Err(RequestError::NotFound));
    }

    #[test]
    fn json_must_be_declared_and_may_carry_a_charset() {
        assert_eq!(Body::Json.check_type(Some("application/json; charset=utf-8")), Ok(()));
        assert_eq!(Body::Json.check_type(Some("Application/JSON")), Ok(()));
        for other in [None, Some(""), Some("text/plain"), Some("application/x-www-form-urlencoded"), Some(";;;")] {
            assert!(matches!(Body::Json.check_type(other), Err(RequestError::MediaType { .. })), "{other:?}");
        }
        for picture in ["image/webp", "image/jpg", "Image/PJPEG", "image/x-png"] {
            assert_eq!(Body::Image.check_type(Some(picture)), Ok(()), "{picture}");
        }
        assert!(Body::Image.check_type(Some("image/heic")).is_err());
    }
}
