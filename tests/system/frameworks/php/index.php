<?php
// What PHP makes of a request: an answer of pairs, who read it and what was read.
header('Content-Type: application/json');
$text = file_get_contents('php://input');
echo json_encode([
    ['$_POST', (object) $_POST],
    ['$_GET', (object) $_GET],
    ['$_REQUEST', (object) $_REQUEST],
    ['json_decode', json_decode($text)],
    ['json_decode, array', json_decode($text, true)],
], JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
