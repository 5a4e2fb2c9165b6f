// The copy button, and a reload that does not create or regenerate once more. Everything works without this file.
const box = document.querySelector(".secret");
if (box) {
  const secret = document.getElementById("secret");
  const button = document.getElementById("copy");
  const copied = document.getElementById("copied");

  secret.addEventListener("focus", () => secret.select());
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(secret.value);
    } catch (error) { // no permission, or not HTTPS
      secret.select();
      if (!document.execCommand("copy")) {
        copied.textContent = "Press Ctrl+C.";
        return;
      }
    }
    copied.textContent = "Copied.";
  });
  // A reload, and going back and forth, then lead to the key's page.
  history.replaceState(null, "", box.dataset.then);
}
document.getElementById("problem")?.focus();
