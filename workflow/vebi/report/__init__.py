"""report.html: claims, studies, figures, tables and explanations of a run as one page."""
