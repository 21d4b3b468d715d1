// What the phone keeps over a closed page: the queue of what was pressed, and the last task.

const NAME = "citybrain-pocket", QUEUE = "queue", VALUES = "values";
let opened = null;

function open() {
  opened ??= new Promise((done, failed) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore(QUEUE, { keyPath: "seq", autoIncrement: true });
      asked.result.createObjectStore(VALUES);
    };
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => { opened = null; failed(asked.error); };
  });
  return opened;
}

// One transaction on one store; resolves once it is on the disk.
async function on(store, mode, work) {
  const base = await open();
  return new Promise((done, failed) => {
    const transaction = base.transaction(store, mode, { durability: "strict" });
    const asked = work(transaction.objectStore(store));
    transaction.oncomplete = () => done(asked?.result);
    transaction.onerror = transaction.onabort = () => failed(transaction.error);
  });
}

export const add = (row) => on(QUEUE, "readwrite", (store) => store.add(row));
export const put = (row) => on(QUEUE, "readwrite", (store) => store.put(row));
export const drop = (seq) => on(QUEUE, "readwrite", (store) => store.delete(seq));
export const all = () => on(QUEUE, "readonly", (store) => store.getAll()); // in the order in which they were pressed
export const keep = (name, value) => on(VALUES, "readwrite", (store) => store.put(value, name));
export const kept = (name) => on(VALUES, "readonly", (store) => store.get(name));
