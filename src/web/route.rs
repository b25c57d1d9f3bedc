//! Routes of the scan API, the kiosk page and the public page: method and path → [`Route`].

use super::RequestError;

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// The kiosk page for kiosks, the public page for others.
    Home,
    /// The kiosk page.
    Page,
    /// Its script.
    Script,
    /// Its shapes.
    Shapes,
    /// What its screen shows of an answer.
    Screen,
    /// Its scanner.
    Scanner,
    /// Its words.
    Words,
    /// Its style.
    Style,
    /// Its settings.
    Settings,
    /// The page that asks whether this browser shall be a kiosk.
    EnrolPage,
    /// Makes this browser a kiosk.
    Enrol,
    /// The public page.
    PublicPage,
    /// Its script, which it does without.
    PublicScript,
    /// Its style.
    PublicStyle,
    /// Its form.
    PublicInquiry,
    /// An inquiry by number and second factor.
    Inquiry,
    /// The receipt number in a photograph.
    InquiryImage,
    /// A scan.
    Scan,
    /// A photograph of the barcode.
    ScanImage,
    /// The answer to a scan as speech.
    ScanSpeech,
    /// The answer to a photograph of the barcode as speech.
    ScanImageSpeech,
    /// A person's score.
    Rate,
    /// The node's state.
    Health,
    /// Metrics for Prometheus.
    Metrics,
    /// The live flow as a diagram, with the calls of the last day.
    FlowDiagram,
}

impl Route {
    /// Every route.
    pub const ALL: [Route; 25] = [
        Route::Home,
        Route::Page,
        Route::Script,
        Route::Shapes,
        Route::Screen,
        Route::Scanner,
        Route::Words,
        Route::Style,
        Route::Settings,
        Route::EnrolPage,
        Route::Enrol,
        Route::PublicPage,
        Route::PublicScript,
        Route::PublicStyle,
        Route::PublicInquiry,
        Route::Inquiry,
        Route::InquiryImage,
        Route::Scan,
        Route::ScanImage,
        Route::ScanSpeech,
        Route::ScanImageSpeech,
        Route::Rate,
        Route::Health,
        Route::Metrics,
        Route::FlowDiagram,
    ];

    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Route::Home => "/",
            Route::Page => "/kiosk",
            Route::Script => "/kiosk/app.js",
            Route::Shapes => "/kiosk/shapes.js",
            Route::Screen => "/kiosk/screen.js",
            Route::Scanner => "/kiosk/scanner.js",
            Route::Words => "/kiosk/words.js",
            Route::Style => "/kiosk/style.css",
            Route::Settings => "/kiosk/config.json",
            Route::EnrolPage | Route::Enrol => "/kiosk/enrol",
            Route::PublicPage => "/public",
            Route::PublicScript => "/public/app.js",
            Route::PublicStyle => "/public/style.css",
            Route::PublicInquiry => "/public/inquiry",
            Route::Inquiry => "/api/inquiry",
            Route::InquiryImage => "/api/inquiry/image",
            Route::Scan => "/api/scan",
            Route::ScanImage => "/api/scan/image",
            Route::ScanSpeech => "/api/scan/speech",
            Route::ScanImageSpeech => "/api/scan/image/speech",
            Route::Rate => "/api/rate",
            Route::Health => "/health",
            Route::Metrics => "/metrics",
            Route::FlowDiagram => "/flow.svg",
        }
    }

    /// Its method; `HEAD` is accepted wherever `GET` is.
    pub fn method(self) -> &'static str {
        match body_of(self) {
            Body::None => "GET",
            Body::Json | Body::Form | Body::Image => "POST",
        }
    }
}

/// The body that a route expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// GET: there is none.
    None,
    /// A JSON object.
    Json,
    /// The fields of a form.
    Form,
    /// A photograph: JPEG, PNG or WebP.
    Image,
}

/// Finds the route of a request; `HEAD` is accepted wherever `GET` is.
///
/// # Errors
/// [`RequestError::NotFound`] for an unknown path, [`RequestError::Method`] for the wrong method.
pub fn route(method: &str, path: &str) -> Result<Route, RequestError> {
    let path = if path == "/kiosk/" { "/kiosk" } else { path };
    let wanted = if method == "HEAD" { "GET" } else { method };
    let at_path = || Route::ALL.into_iter().filter(|route| route.path() == path);
    if let Some(route) = at_path().find(|route| route.method() == wanted) {
        return Ok(route);
    }
    let has = |method| at_path().any(|route| route.method() == method);
    match (has("GET"), has("POST")) {
        (true, true) => Err(RequestError::Method { allow: "GET, HEAD, POST" }),
        (true, false) => Err(RequestError::Method { allow: "GET, HEAD" }),
        (false, true) => Err(RequestError::Method { allow: "POST" }),
        (false, false) => Err(RequestError::NotFound),
    }
}

/// The body that a route expects.
pub fn body_of(route: Route) -> Body {
    match route {
        Route::Home
        | Route::Page
        | Route::Script
        | Route::Shapes
        | Route::Screen
        | Route::Scanner
        | Route::Words
        | Route::Style
        | Route::Settings
        | Route::EnrolPage
        | Route::PublicPage
        | Route::PublicScript
        | Route::PublicStyle
        | Route::Health
        | Route::Metrics
        | Route::FlowDiagram => Body::None,
        Route::Scan | Route::ScanSpeech | Route::Rate | Route::Inquiry => Body::Json,
        Route::Enrol | Route::PublicInquiry => Body::Form,
        Route::ScanImage | Route::ScanImageSpeech | Route::InquiryImage => Body::Image,
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
            Body::Form if any(&["application/x-www-form-urlencoded"]) => Ok(()),
            Body::Form => Err(RequestError::MediaType { want: "application/x-www-form-urlencoded" }),
            Body::Image if any(&PICTURES) => Ok(()),
            Body::Json => Err(RequestError::MediaType { want: "application/json" }),
            Body::Image => match OTHER_PICTURES.iter().find(|(other, _)| declared.eq_ignore_ascii_case(other)) {
                Some((_, kind)) => Err(RequestError::PictureKind { kind }),
                None => Err(RequestError::MediaType { want: PICTURE_TYPES }),
            },
        }
    }
}

/// The types of pictures that are decoded.
pub(super) const PICTURE_TYPES: &str = "image/jpeg, image/png or image/webp";
/// The registered types, and what else clients call JPEG and PNG: telephones call a JPEG HEIC, too, and the picture itself
/// says which it is.
const PICTURES: [&str; 9] = [
    "image/jpeg",
    "image/jpg",
    "image/pjpeg",
    "image/png",
    "image/x-png",
    "image/webp",
    "image/heic",
    "image/heif",
    "application/octet-stream",
];
const OTHER_PICTURES: [(&str, &str); 8] = [
    ("image/gif", "GIF"),
    ("image/avif", "AVIF"),
    ("image/bmp", "BMP"),
    ("image/tiff", "TIFF"),
    ("image/svg+xml", "SVG"),
    ("image/jxl", "JPEG XL"),
    ("image/jp2", "JPEG 2000"),
    ("application/pdf", "PDF"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_its_method_and_another_one_gets_allow() {
        assert_eq!(route("GET", "/"), Ok(Route::Home));
        for any in Route::ALL {
            assert_eq!(route(any.method(), any.path()), Ok(any));
        }
        assert_eq!(route("GET", "/kiosk/enrol"), Ok(Route::EnrolPage));
        assert_eq!(route("PUT", "/kiosk/enrol"), Err(RequestError::Method { allow: "GET, HEAD, POST" }));
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
        for picture in
            ["image/webp", "image/jpg", "Image/PJPEG", "image/x-png", "image/heic", "application/octet-stream"]
        {
            assert_eq!(Body::Image.check_type(Some(picture)), Ok(()), "{picture}");
        }
        assert_eq!(Body::Image.check_type(Some("Image/GIF")), Err(RequestError::PictureKind { kind: "GIF" }));
        for other in [None, Some("text/plain"), Some("image/"), Some("video/mp4")] {
            assert_eq!(
                Body::Image.check_type(other),
                Err(RequestError::MediaType { want: PICTURE_TYPES }),
                "{other:?}"
            );
        }
    }
}
