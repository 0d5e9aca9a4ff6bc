// Files dropped anywhere, or chosen in a form, go to the index with their progress, then to the job's page.
import { make, number, say } from "./page.js";

const TARGET = "/api/v1/binaries";

function send(files, bar) {
  const toast = say(`Uploading ${files.length} file${files.length === 1 ? "" : "s"}…`, true);
  const meter = bar ?? make("progress", { max: 1, value: 0, "aria-label": "Upload" });
  if (!bar) toast.append(" ", meter);
  meter.hidden = false;
  const data = new FormData();
  for (const file of files) data.append("files", file, file.name);
  const request = new XMLHttpRequest();
  request.responseType = "json";
  request.upload.addEventListener("progress", (event) => {
    if (event.lengthComputable) meter.value = event.loaded / event.total;
  });
  request.addEventListener("load", () => {
    toast.remove();
    meter.hidden = true;
    const jobs = request.response?.jobs;
    if (request.status === 202 && jobs?.length) {
      location.assign(jobs.length === 1 ? `/jobs/${encodeURIComponent(jobs[0])}` : "/jobs");
      return;
    }
    const error = request.response?.error;
    say(error ? `${error.message} ${error.hint}` : `The upload failed with status ${request.status}.`);
  });
  request.addEventListener("error", () => {
    toast.remove();
    meter.hidden = true;
    say(`The upload of ${number(files.length)} files was cut off. Is the server still there?`);
  });
  request.open("POST", TARGET);
  request.send(data);
}

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}

export function attach(sheet) {
  let depth = 0;
  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    sheet.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth = Math.max(0, depth - 1);
    sheet.hidden = depth === 0;
  });
  document.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    sheet.hidden = true;
    if (event.dataTransfer.files.length) send([...event.dataTransfer.files]);
  });
  for (const form of document.querySelectorAll("[data-upload]")) {
    form.addEventListener("submit", (event) => {
      const files = form.querySelector("input[type=file]").files;
      if (!files.length) return;
      event.preventDefault();
      send([...files], form.querySelector("progress"));
    });
  }
}
